// Reads a `text/event-stream`: texts as they come, cut anywhere, become events. An EventSource cannot show a token.

/** An event of a stream. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** The longest event, in characters. A requester sends much shorter ones. */
const maxLength = 4 * 1024 * 1024;

export class EventReader {
  #rest = '';
  #name = '';
  #data: string[] = [];
  #length = 0;

  /** Returns the events that are complete with this text. @throws RangeError for an event that is too long */
  read(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    // A carriage return at the end may be the first half of a line's end.
    const all = this.#rest + text;
    const lines = all.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#readLine(line);
      if (event) events.push(event);
    }
    if (this.#length + this.#rest.length > maxLength) throw new RangeError('an event is too long');
    return events;
  }

  #readLine(line: string): StreamEvent | undefined {
    if (line === '') return this.#takeEvent();
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') this.#name = value;
    if (field === 'data') {
      this.#data.push(value);
      this.#length += value.length;
    }
    return undefined;
  }

  // An event without data is none, by the standard.
  #takeEvent(): StreamEvent | undefined {
    const event = { name: this.#name || 'message', data: this.#data.join('\n') };
    const isEvent = this.#data.length > 0;
    this.#name = '';
    this.#data = [];
    this.#length = 0;
    return isEvent ? event : undefined;
  }
}
