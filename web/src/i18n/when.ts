const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** How far ahead `timeS` is in words, in the largest unit that fits: "in 6 days". Both times are Unix seconds. */
export function ahead(timeS: number, nowS: number, language: string): string {
  const seconds = Math.max(60, timeS - nowS);
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(language).format(Math.round(seconds / length), unit);
}

/** Making one takes longer than using it a hundred times. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** The time of day, with the date where it is not today's. */
export function moment(timeS: number, now: Date, language: string): string {
  const date = new Date(timeS * 1000);
  const isToday = date.toDateString() === now.toDateString();
  const name = `${language} ${isToday}`;
  let format = formats.get(name);
  if (format === undefined) {
    const time: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
    format = new Intl.DateTimeFormat(language, isToday ? time : { ...time, month: "short", day: "numeric" });
    formats.set(name, format);
  }
  return format.format(date);
}
