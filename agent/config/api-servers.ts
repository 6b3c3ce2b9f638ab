// Defines the kind of the list of APIs that the commands try in turn.
import { ipVersion } from '../system/ip-version.ts';
import { hostName, ipv4, ipv6 } from './address-pattern.ts';
import { commas, digits, type Fragment } from './fragment.ts';
import { Refusal, readList, type SettingKind } from './kind.ts';
import { isHost } from './network.ts';

/** One API in the list. */
export interface ApiServer {
  /** A name or an address, without brackets. */
  host: string;
  port: number;
  /** Whether TLS is wanted although the address does not ask for it. */
  isTls: boolean;
}

const mostServers = 64;
const allowed = 'like requester-1.example:1234, https://192.0.2.1:1234, [2001:db8::1]:1234';
const form = /^(https:\/\/)?(?:\[([^\]]+)\]|([^:[\]/]+)):0*(\d{1,5})\/?$/i;

/** The kind of a list of APIs, each `host:port` or `https://host:port`. */
export const apiServers: SettingKind<readonly string[]> = {
  name: 'servers',
  allowed,
  schema: schema,
  read(input) {
    const items = readList(input);
    if (items.length > mostServers)
      throw new Refusal(`are too many; allowed: ${mostServers}`, `${items.length} addresses`);
    return items.map(readItem);
  },
  plain: value => value,
};

/** Reads one value of the setting. */
export function parseApiServer(text: string): ApiServer {
  const [, scheme, bracketed, plain = '', port] = form.exec(text) ?? [];
  return { host: bracketed ?? plain, port: Number(port), isTls: scheme !== undefined };
}

function readItem(text: string): string {
  const [, , bracketed, plain = '', digits] = form.exec(text) ?? [];
  const isRight =
    bracketed === undefined ? isHost(plain) : ipVersion(bracketed) === 6 && !bracketed.includes('%');
  const port = Number(digits);
  if (isRight && port >= 1 && port <= 65_535) return text;
  // What stands before an @ may be a password.
  const shown = text.includes('@') ? 'the value' : `"${text}"`;
  throw new Refusal(`is not an address with a port; allowed: ${allowed}`, shown);
}

function schema(): Fragment {
  const one = `(?:[Hh][Tt][Tt][Pp][Ss]://)?(?:${hostName}|${ipv4}|\\[${ipv6}\\]):${digits(1, 65_535)}/?`;
  const text = { pattern: commas(one), patternErrorMessage: `allowed: ${allowed}` };
  const type = ['string', 'null'] as const;
  return { type: ['array', ...type], ...text, items: { type, ...text } };
}
