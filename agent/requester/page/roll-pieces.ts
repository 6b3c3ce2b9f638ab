// Writes the events of the live roll as pieces of a text/event-stream. A piece is made once, for all pages.
import { constants, deflateRawSync } from 'node:zlib';
import type { RollEvents } from '../../protocol/roll-rows.ts';
import type { EventChange, RollChange } from './roll-changes.ts';

/** Length of an event in characters from which on the next row begins another one. */
const fullLength = 56 * 1024;
/** Length of a time in milliseconds, with what stands around it and the id of the node. */
const timeLength = 17;

/** A part of the stream, as it goes over a plain and over a compressed connection. */
export class RollPiece {
  readonly plain: Buffer;
  #packed: Buffer | undefined;

  constructor(text: string) {
    this.plain = Buffer.from(text);
  }

  /**
   * The piece in the deflate format. It ends at a whole byte and refers to nothing before it, so it can follow any other
   * piece, and each piece is compressed only once. After `gzipHead` such pieces are a gzip stream that has no end.
   */
  get packed(): Buffer {
    this.#packed ??= deflateRawSync(this.plain, { level: 2, finishFlush: constants.Z_SYNC_FLUSH });
    return this.#packed;
  }
}

/** The bytes before the first compressed piece (RFC 1952): deflate, no name, no time, an unknown system. */
export const gzipHead = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** A comment, by which a page knows that the requester is there. */
export const signOfLife = (): RollPiece => new RollPiece(':\n\n');

/** Returns the piece with one event. */
export const pieceOf = <Name extends keyof RollEvents>(name: Name, data: RollEvents[Name]): RollPiece =>
  new RollPiece(eventText(name, JSON.stringify(data)));

/** JSON has no line breaks, so its text is one line. */
const eventText = (name: keyof RollEvents, json: string): string => `event: ${name}\ndata: ${json}\n\n`;

/** Collects changes and returns them in pieces. */
export class RollPieces {
  readonly #lists = {
    nodes: new List('nodes'),
    figures: new List('figures'),
    gone: new List('gone'),
    events: new List('events'),
  };
  #heard: Record<string, number> = Object.create(null);
  #heardLength = 0;
  readonly #at: number;

  /** `at` is the present time, in milliseconds since 1970. */
  constructor(at: number) {
    this.#at = at;
  }

  /** Adds a change. Returns a piece that is full now, if there is one. */
  add(change: RollChange | EventChange): RollPiece | undefined {
    switch (change.kind) {
      case 'row':
        return this.#lists.nodes.add(JSON.stringify(change.row));
      case 'figures':
        return this.#lists.figures.add(JSON.stringify(change.figures));
      case 'gone':
        return this.#lists.gone.add(JSON.stringify(change.id));
      case 'following':
        return pieceOf('following', { at: this.#at });
      case 'event':
        return this.#lists.events.add(change.json);
      case 'heard':
        this.#heard[change.id] = change.at;
        this.#heardLength += change.id.length + timeLength;
        return this.#heardLength > fullLength ? this.#endHeard() : undefined;
    }
  }

  /** Returns the rest. */
  end(): RollPiece[] {
    const heard = this.#heardLength > 0 ? [this.#endHeard()] : [];
    return [...Object.values(this.#lists).flatMap(list => list.end() ?? []), ...heard];
  }

  #endHeard(): RollPiece {
    const nodes = this.#heard;
    this.#heard = Object.create(null);
    this.#heardLength = 0;
    return pieceOf('heard', { at: this.#at, nodes });
  }
}

type ListName = 'nodes' | 'figures' | 'gone' | 'events';

class List {
  readonly #name: ListName;
  #items: string[] = [];
  #length = 0;

  constructor(name: ListName) {
    this.#name = name;
  }

  add(json: string): RollPiece | undefined {
    const full = this.#length > 0 && this.#length + json.length > fullLength ? this.end() : undefined;
    this.#items.push(json);
    this.#length += json.length + 1;
    return full;
  }

  end(): RollPiece | undefined {
    if (this.#items.length === 0) return undefined;
    const piece = new RollPiece(eventText(this.#name, `[${this.#items.join(',')}]`));
    this.#items = [];
    this.#length = 0;
    return piece;
  }
}
