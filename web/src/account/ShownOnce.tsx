import { useEffect, useRef } from "preact/hooks";

import { CopyButton } from "../ui/CopyButton.tsx";

/** A secret that the server says this once, to be copied. It takes the focus, so that nobody misses it. */
export function ShownOnce({ label, text }: { label: string; text: string }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), [text]);
  return (
    <div class="account-once">
      <label class="field">
        <span>{label}</span>
        <input ref={input} type="text" readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <CopyButton text={() => text} />
    </div>
  );
}
