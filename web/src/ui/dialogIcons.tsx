import { Icon } from "./icons.tsx";

export const RetryIcon = () => <Icon><path d="M19 12a7 7 0 1 1-2-5l2 2m0-5v5h-5" /></Icon>;
export const CopyIcon = () => (
  <Icon><path d="M9 9h10v11H9zM15 9V4H5v11h4" /></Icon>
);
export const LeftIcon = () => <Icon><path d="m14 7-5 5 5 5" /></Icon>;
export const RightIcon = () => <Icon><path d="m10 7 5 5-5 5" /></Icon>;
export const EditIcon = () => <Icon><path d="m5 19 1-4L16 5l3 3L9 18l-4 1Zm9-12 3 3" /></Icon>;
export const ContinueIcon = () => <Icon><path d="M5 12h13m-5-5 5 5-5 5" /></Icon>;
