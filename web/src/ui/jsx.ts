import { type ComponentType, createElement, type VNode } from "preact";

export { Fragment } from "preact";

/** What JSX is compiled to. Preact's own `jsx-runtime` brings a renderer of templates along, which nothing here uses. */
export function jsx(type: ComponentType | string, props: object, key?: string): VNode {
  return createElement(type as ComponentType, key === undefined ? props : { ...props, key });
}

export { jsx as jsxs };
