// Writes an event of the event stream as the API tells it: as one line of JSON, with its cursor.
import { parseJson } from '../../protocol/json.ts';

/**
 * Returns the event as JSON without line breaks. Anybody who may publish on the broker may have written it, so it is parsed first.
 * @throws ProtocolError when it cannot be read
 */
export function shownEvent(event: Uint8Array, cursor: string): string {
  const said = parseJson(event);
  const isObject = typeof said === 'object' && said !== null && !Array.isArray(said);
  return JSON.stringify(isObject ? { ...said, cursor } : said);
}
