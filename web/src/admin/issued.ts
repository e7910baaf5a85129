/** The address that a person is given, of the link in it: below whatever path the page is. */
export function linkAddress(link: string): string {
  return `${location.href.replace(/#.*/, "")}#link=${encodeURIComponent(link)}`;
}
