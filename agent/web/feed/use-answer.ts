// Gives a view what the requester answers to a question, and asks again when something has changed.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { AskError, ask } from './ask.ts';
import { token } from './session.ts';

export interface Answer<T> {
  /** The last answer; undefined before the first. */
  readonly value: T | undefined;
  /** Why the last question got no answer. */
  readonly fault: AskError | undefined;
}

const unanswered = { value: undefined, fault: undefined };

/** Time after which it is asked again although nothing seems to have changed, in milliseconds. */
const usualMs = 10_000;
/** The shortest time between two questions, in milliseconds. */
const shortestMs = 1_000;

/**
 * Returns the latest answer; none while there is no path. It is asked again when `version` changes, at most once a second after the first answer, and now and
 * then in any case.
 */
export function useAnswer<T>(path: string | undefined, version?: unknown, everyMs = usualMs): Answer<T> {
  const answer = useSignal<Answer<T>>(unanswered);
  const asked = useSignal({ path, at: Number.NEGATIVE_INFINITY });
  const shown = token.value;
  useEffect(() => {
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    if (asked.peek().path !== path) {
      asked.value = { path, at: Number.NEGATIVE_INFINITY };
      answer.value = unanswered;
    }
    if (path === undefined) return undefined;
    const askNow = async () => {
      asked.value = { path, at: performance.now() };
      try {
        const value = (await ask(path, { signal: end.signal })) as T;
        if (!end.signal.aborted) answer.value = { value, fault: undefined };
      } catch (error) {
        if (end.signal.aborted) return;
        const fault = error instanceof AskError ? error : new AskError(0, String(error));
        // What is not there any more is not shown, and what could not be asked for is shown as it was.
        answer.value = { value: fault.status === 404 ? undefined : answer.peek().value, fault };
      }
      if (!end.signal.aborted) timer = setTimeout(askNow, everyMs);
    };
    const { value, fault } = answer.peek();
    const isFirst = value === undefined && fault === undefined;
    const sinceMs = performance.now() - asked.peek().at;
    timer = setTimeout(askNow, isFirst ? 0 : Math.max(0, shortestMs - sinceMs));
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [path, version, everyMs, shown]);
  // The answer to another question says nothing here, such as what is to be done about another node.
  return asked.value.path === path ? answer.value : unanswered;
}
