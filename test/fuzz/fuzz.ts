// Fuzzes one decoder: it must read or refuse whatever it gets, and nothing else may happen.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { printable } from '../../agent/system/printable.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type Decoder, isProtocolError } from './decoder.ts';
import { mutatedBytes, mutatedJson, mutatedText } from './mutations.ts';

/** Number of valid inputs that are read, and number of the shortest of them, from which the others are made. */
const samples = { all: 60, changed: 20 };
/** The longest message of an error, in characters: it goes into logs and answers. */
const maxMessage = 2_000;

export interface Fuzzed {
  inputs: number;
  /** Number of changed inputs that were read, and that were refused. */
  read: number;
  refused: number;
}

/** Fuzzes all of `decoders`, one after the other, and returns the number of inputs. Throws as `fuzz` does. */
export async function fuzzAll(decoders: readonly Decoder[], seed: number, inputs: number): Promise<number> {
  let count = 0;
  for (const decoder of decoders) {
    try {
      count += (await fuzz(decoder, seed, inputs)).inputs;
    } finally {
      await decoder.release?.();
    }
  }
  return count;
}

/** Fuzzes `decoder` with `inputs` inputs that follow from `seed`. Throws an error that quotes the input of a fault. */
export async function fuzz(decoder: Decoder, seed: number, inputs: number): Promise<Fuzzed> {
  const random = new SeededRandom(seed);
  const different = new Map(
    fc.sample(decoder.valid, { seed, numRuns: samples.all }).map(value => {
      const input = toInput(decoder, value);
      return [String(input), { value, input }];
    }),
  );
  const valid = [...different.values()].sort((a, b) => a.input.length - b.input.length);
  for (const { input } of valid) await tryValid(decoder, input);
  const originals = valid.slice(0, samples.changed).map(({ value }) => value);
  let read = 0;
  let refused = 0;
  const count = Math.ceil(inputs * (decoder.share ?? 1));
  for (let number = 0; number < count; number++) {
    const input = changed(decoder, random.pick(originals), random);
    if (await tryChanged(decoder, input)) read++;
    else refused++;
  }
  assert.equal('polluted' in {}, false, `${decoder.what} changed the members that all objects share`);
  return { inputs: count, read, refused };
}

/** Returns a valid value as the decoder gets it. */
function toInput({ form, wrap }: Decoder, value: unknown): Buffer | string {
  if (form === 'text') return String(value);
  const content = form === 'json' ? Buffer.from(JSON.stringify(value)) : Buffer.from(value as Uint8Array);
  return wrap ? wrap(content) : content;
}

function changed(decoder: Decoder, value: unknown, random: SeededRandom): Buffer | string {
  const { form, wrap } = decoder;
  if (form === 'text') return mutatedText(String(value), random);
  let content =
    form === 'json' ? Buffer.from(mutatedJson(value, random)) : mutatedBytes(value as Uint8Array, random);
  // Most inputs stay JSON, so that the changes reach the rules behind it.
  if (form === 'json' && random.below(5) === 0) content = mutatedBytes(content, random);
  if (!wrap) return content;
  const wrapped = wrap(content);
  return random.below(10) === 0 ? mutatedBytes(wrapped, random) : wrapped;
}

async function tryValid(decoder: Decoder, input: Buffer | string): Promise<void> {
  const { what, check, write, mayRefuseValid } = decoder;
  try {
    const value = await decoder.read(input);
    if (value === undefined && mayRefuseValid) return;
    assert.notEqual(value, undefined, 'a valid input was not read');
    check?.(value);
    if (write) await checkRoundTrip(decoder, write, value);
  } catch (error) {
    if (mayRefuseValid && isExpected(decoder, error)) return;
    throw faultOf(`${what}, valid`, input, error);
  }
}

/** Returns whether the input was read. */
async function tryChanged(decoder: Decoder, input: Buffer | string): Promise<boolean> {
  const { what, check, write } = decoder;
  try {
    let value: unknown;
    try {
      value = await decoder.read(input);
    } catch (error) {
      if (!isExpected(decoder, error)) throw error;
      const { message } = error as Error;
      assert.ok(
        message.length > 0 && message.length < maxMessage,
        `a message of ${message.length} characters`,
      );
      // The commands and the log print it this way.
      assert.doesNotMatch(printable(message), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      return false;
    }
    if (value === undefined) return false;
    check?.(value);
    if (write) await checkRoundTrip(decoder, write, value);
    return true;
  } catch (error) {
    throw faultOf(what, input, error);
  }
}

/** Fails unless what was read is the same after it was written and read again. JSON has no -0 and no infinity. */
async function checkRoundTrip(
  { read }: Decoder,
  write: (value: unknown) => Buffer | string,
  value: unknown,
): Promise<void> {
  const text = String(write(value));
  const again = await read(write(value));
  if (String(write(again)) !== text) assert.deepEqual(again, value, 'it is not read the same again');
}

const isExpected = ({ isExpected: expects = isProtocolError }: Decoder, error: unknown): boolean =>
  expects(error);

function faultOf(what: string, input: Buffer | string, cause: unknown): Error {
  const shown = typeof input === 'string' ? JSON.stringify(input) : input.toString('latin1');
  const bytes =
    typeof input === 'string' ? '' : `\nas base64: ${input.subarray(0, 3_000).toString('base64')}`;
  const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new Error(`${what}: ${printable(shown, 2_000)}${bytes}\n${reason}`, { cause });
}
