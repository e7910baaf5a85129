/**
 * Lighthouse's marks for the page at an address, as it gives them for a phone: `node lighthouse.mjs ADDRESS FLAG…`.
 * In a browser and a profile of its own. Prints one line of JSON.
 */
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const CATEGORIES = ["performance", "accessibility", "best-practices"];
const TIMES = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift"];

const [address, ...flags] = process.argv.slice(2);
const chrome = await launch({ chromeFlags: flags, ignoreDefaultFlags: true, logLevel: "error" });
try {
  const { lhr } = await lighthouse(address, { port: chrome.port, logLevel: "error", onlyCategories: CATEGORIES });
  console.log(JSON.stringify(summary(lhr)));
} finally {
  chrome.kill();
}

/** A mark is null where something in it could not be measured; `short` is what cost a mark. */
function summary({ audits, categories }) {
  const scored = CATEGORIES.flatMap((name) => categories[name].auditRefs.filter(({ weight }) => weight > 0));
  const short = scored.map(({ id }) => audits[id]).filter(({ score }) => score !== null && score < 1);
  const broken = Object.values(audits).filter(({ scoreDisplayMode }) => scoreDisplayMode === "error");
  const shifts = audits["layout-shifts"]?.details?.items ?? [];
  return {
    marks: CATEGORIES.map((name) => categories[name].score).map((score) => score && Math.round(score * 100)),
    short: short.map(({ id, displayValue }) => (displayValue ? `${id} ${displayValue}` : id)),
    shifts: shifts.map(({ node, score }) => `${score.toFixed(3)} ${node?.selector ?? ""}`.trim()),
    broken: broken.map(({ id, errorMessage }) => `${id}: ${errorMessage}`),
    times: Object.fromEntries(TIMES.map((id) => [id, Math.round((audits[id].numericValue ?? 0) * 1000) / 1000])),
  };
}
