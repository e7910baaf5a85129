import type { ComponentChildren } from "preact";

export function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      {children}
    </svg>
  );
}

/** As in lotus.svg, which is the tab's; drawn here it is one request less. */
export const Lotus = () => (
  <svg class="lotus" viewBox="0 0 32 32" width="28" height="28" fill="none" stroke-linejoin="round" stroke-width="1.6" aria-hidden="true">
    <path d="M16 26C8 26 3 21 2 14c4 0 7 1 9 3" fill="#c7b8f5" stroke="#7c5cd6" />
    <path d="M16 26c8 0 13-5 14-12-4 0-7 1-9 3" fill="#c7b8f5" stroke="#7c5cd6" />
    <path d="M16 26C9 23 7 15 9 9c4 2 7 7 7 17Z" fill="#a9b8fa" stroke="#4f6bed" />
    <path d="M16 26c7-3 9-11 7-17-4 2-7 7-7 17Z" fill="#a9b8fa" stroke="#4f6bed" />
    <path d="M16 26c-5-6-5-14 0-21 5 7 5 15 0 21Z" fill="#dfe6ff" stroke="#4f6bed" />
  </svg>
);

export const MenuIcon = () => <Icon><path d="M4 7h16M4 12h16M4 17h16" /></Icon>;
export const CloseIcon = () => <Icon><path d="M6 6l12 12M18 6 6 18" /></Icon>;
export const PlusIcon = () => <Icon><path d="M12 5v14M5 12h14" /></Icon>;
export const DotsIcon = () => <Icon><path d="M5.5 12h.01M12 12h.01M18.5 12h.01" stroke-width="3" /></Icon>;
export const DownIcon = () => <Icon><path d="m7 10 5 5 5-5" /></Icon>;
export const NewestIcon = () => <Icon><path d="M12 5v14m-6-6 6 6 6-6" /></Icon>;
export const SendIcon = () => <Icon><path d="M12 19V5m-6 6 6-6 6 6" /></Icon>;
export const StopIcon = () => <Icon><rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor" /></Icon>;
export const PinIcon = () => <Icon><path d="M9 4h6l-1 6 3 3v2H7v-2l3-3-1-6Zm3 11v5" /></Icon>;
export const ClearIcon = () => (
  <Icon><path d="M5 7h14M10 7V4.5h4V7m3 0-.8 12.5H7.8L7 7m3.500 4v5m3-5v5" /></Icon>
);
export const LanguageIcon = () => (
  <Icon><path d="M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm-9 9h18M12 3c3 3 3.500 6 3.500 9s-.5 6-3.500 9c-3-3-3.500-6-3.500-9S9 6 12 3Z" /></Icon>
);
export const SearchIcon = () => <Icon><path d="M10.500 4.500a6 6 0 1 0 0 12 6 6 0 0 0 0-12Zm4.500 10.500 5 5" /></Icon>;
