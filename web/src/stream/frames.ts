/** After a flush that cost c ms the next one waits 3c: drawing never takes more than a quarter of the time. */
const REST_FACTOR = 3;

export interface Clock {
  readonly now: () => number;
  readonly frame: (callback: () => void) => number;
  readonly cancel: (handle: number) => void;
}

const BROWSER: Clock = {
  now: () => performance.now(),
  frame: (callback) => requestAnimationFrame(callback),
  cancel: (handle) => cancelAnimationFrame(handle),
};

export interface Frames {
  /** There is something to draw: at once where nothing was drawn lately, else gathered with what else arrives. */
  request(): void;
  cancel(): void;
}

/** Gathers requests so that `flush` runs at most once a frame, and seldomer when it is dear. */
export function createFrames(flush: () => void, clock: Clock = BROWSER): Frames {
  let frame: number | null = null;
  let notBefore = 0;
  let wanted = false;

  function step(): void {
    frame = null;
    if (!wanted) return;
    const start = clock.now();
    if (start >= notBefore) {
      wanted = false;
      flush();
      const end = clock.now();
      notBefore = end + REST_FACTOR * (end - start);
    }
    // Also after a flush, so that a burst right behind it is drawn once.
    frame = clock.frame(step);
  }

  return {
    request() {
      wanted = true;
      if (frame === null) step();
    },
    cancel() {
      wanted = false;
      if (frame !== null) clock.cancel(frame);
      frame = null;
    },
  };
}
