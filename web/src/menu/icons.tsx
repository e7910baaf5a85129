import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      {children}
    </svg>
  );
}

export const PersonaIcon = () => <Icon><path d="M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.500 20c.5-4 3.500-6 7.500-6s7 2 7.500 6" /></Icon>;
export const AccountIcon = () => <Icon><path d="M9 4H5v16h4m3-8h9m-4-4 4 4-4 4" /></Icon>;
export const AdminIcon = () => <Icon><path d="M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM3 19c.4-3.500 2.800-5 6-5s5.600 1.500 6 5M16 5.300a3 3 0 0 1 0 5.400M18 14.500c1.800.8 2.800 2.300 3 4.500" /></Icon>;
export const UsageIcon = () => <Icon><path d="M4 20h16M7 16v-4m5 4V5m5 11V9" /></Icon>;
export const TransferIcon = () => <Icon><path d="M8 20V5M4 9l4-4 4 4m4-5v15m-4-4 4 4 4-4" /></Icon>;
export const KeyboardIcon = () => (
  <Icon><path d="M3 6.500h18v11H3zM7 10h.01M10.300 10h.01M13.700 10h.01M17 10h.01M8 14h8" /></Icon>
);
