// An operation is what an operator wants to have done once. Its id goes with the request and stands in all that follows from
// it, so a request can be repeated without harm, and an operator can ask later what became of it.
import { ProtocolError } from './error.ts';

/** The header of a request to the API with the id of its operation. The answer names it too. */
export const operationHeader = 'Muster-Operation';

/** The id of an operation: a UUID of version 7, whose first 48 bits are the time at which it was made. */
export const operationPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Returns the id of a new operation. `uuid` is a random UUID of version 4, `now` the present time. */
export function newOperation(now: Date, uuid: string): string {
  const time = Math.max(0, now.getTime()).toString(16).padStart(12, '0').slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`;
}

/** The last moment that has a year of four digits, as RFC 3339 wants it, in milliseconds. */
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Reads the id of an operation, in letters of any case. @throws ProtocolError, also when its time cannot be shown */
export function readOperation(text: string): string {
  const operation = text.toLowerCase();
  if (operationPattern.test(operation)) {
    if (operationTime(operation).getTime() <= lastTime) return operation;
    throw new ProtocolError('malformed', 'the id of an operation names a time after the year 9999');
  }
  throw new ProtocolError(
    'malformed',
    'the id of an operation is a UUID of version 7, such as 019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7',
  );
}

/** Returns the time in the id of an operation, as the clock of the machine said that made it. */
export const operationTime = (operation: string): Date =>
  new Date(Number.parseInt(operation.slice(0, 8) + operation.slice(9, 13), 16));

/** Number of operations that the record of a node remembers. */
export const maxRemembered = 8;

/** What an operation did to a node: the kind of the change, and the id of the operation. */
export interface Remembered {
  kind: string;
  operation: string;
  /** Whether it has banned the key of the node too. */
  isBan: boolean;
}

/** The word in the text of an operation that has banned a key too. An earlier version does not read it. */
const bannedWord = 'banned';

/** Returns the operations in the texts that a record keeps, the latest last. Other texts are left out. */
export function rememberedOperations(texts: readonly string[]): Remembered[] {
  return texts.flatMap(text => {
    const [kind = '', operation = '', more] = text.split(' ');
    const isBan = more === bannedWord;
    return kind !== '' && operationPattern.test(operation) ? { kind, operation, isBan } : [];
  });
}

/** Returns the texts that a record keeps after another operation. */
export const rememberOperation = (
  texts: readonly string[],
  { kind, operation, isBan }: Remembered,
): readonly string[] => {
  const text = `${kind} ${operation}${isBan ? ` ${bannedWord}` : ''}`;
  return [...texts.filter(each => each !== text), text].slice(-maxRemembered);
};
