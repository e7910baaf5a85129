interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly type?: "text" | "password";
  readonly autocomplete: string;
  readonly minLength?: number;
}

/** A labelled input of a form that has to be filled in. */
export function Field({ label, name, type = "text", autocomplete, minLength }: FieldProps) {
  const rest = { name, autocomplete, autocapitalize: "none", spellcheck: false, minLength, required: true } as const;
  return (
    <label class="field">
      <span>{label}</span>
      {type === "password" ? <input type="password" {...rest} /> : <input type="text" {...rest} />}
    </label>
  );
}
