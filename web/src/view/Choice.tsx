import { DownIcon } from "./icons.tsx";

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly text: string }[];
  readonly onChoose: (value: string) => void;
}

/** One of a few, as the browser's own list: it works with every keyboard, reader and phone there is. */
export function Choice({ label, value, options, onChoose }: ChoiceProps) {
  return (
    <span class="choice">
      <select aria-label={label} title={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={option.value === value}>
            {option.text}
          </option>
        ))}
      </select>
      <DownIcon />
    </span>
  );
}
