// Defines the kinds of values for the network: hosts, ports, NATS servers and subjects.
import { parseIpNetwork } from '../system/ip-network.ts';
import { ipVersion } from '../system/ip-version.ts';
import { hostName, ipv4, ipv6 } from './address-pattern.ts';
import { commas, digits, type Fragment, textFragment } from './fragment.ts';
import {
  type Input,
  integer,
  type Kind,
  text as plainText,
  Refusal,
  readList,
  readText,
  type SettingKind,
} from './kind.ts';

const nameOnly = new RegExp(`^${hostName}$`);
const token = '[\\x21-\\x29\\x2b-\\x2d\\x2f-\\x3d\\x3f-\\x7a\\x7c\\x7e]+';
const tokenOnly = new RegExp(`^${token}$`);
/** The name of a network interface, with a letter, so that a mistyped address is none. */
const interfaceName = '(?=[^A-Za-z]{0,14}[A-Za-z])[A-Za-z0-9_.@-]{1,15}';
const interfaceOnly = new RegExp(`^${interfaceName}$`);
const maxServers = 64;
const allowed = {
  addressChoice: 'like 192.0.2.7, 10.0.0.0/8, fd00::/8, eth0',
  host: 'a host name or an IP address, without scheme and port',
  addresses: 'like broker.example.com, 192.0.2.1:4222, [2001:db8::1]:4222',
  servers: 'like nats://host:4222, tls://host:4222, host:4222',
  subject: 'tokens without spaces joined by dots, like a.{nodeId}.heartbeat',
};

/** The kind of a port. 0 lets the system choose a free one. */
export const port: SettingKind<number> = { ...integer(0, 65_535, 'a port'), name: 'port' };

const allowedAccount = 'A and 55 letters and digits, the public key of an account of NATS';

/** The kind of the key of an account on a NATS with an operator. */
export const accountKey: SettingKind<string> = {
  ...plainText(/^A[A-Z2-7]{55}$/u, allowedAccount),
  name: 'account',
};

/** The kind of a host: a host name or an IP address without brackets. */
export const host: SettingKind<string> = {
  name: 'host',
  allowed: allowed.host,
  schema: () => textFragment(`${hostName}|${ipv4}|${ipv6}(?:%[0-9A-Za-z.:-]+)?`, allowed.host),
  read(input) {
    const text = readText(input);
    if (isHost(text)) return text;
    throw new Refusal(`is not a host; allowed: ${allowed.host}`);
  },
  plain: value => value,
};

/** The kind of an IP network: an address and the number of its bits that count. It is for flags only. */
export const ipNetwork: Kind<string> = {
  name: 'network',
  read(input) {
    const text = readText(input);
    if (parseIpNetwork(text)) return text;
    throw new Refusal('is not a network; allowed: like 10.0.0.0/8, 192.168.4.7/32, fd00::/8');
  },
  plain: value => value,
};

/** The kind of a choice of one of this machine's addresses: an address, a network, or the name of an interface. */
export const addressChoice: SettingKind<string> = {
  name: 'address',
  allowed: allowed.addressChoice,
  schema: () =>
    textFragment(
      `${ipv4}(?:/${bits(32)})?|${ipv6}(?:/${bits(128)})?|${interfaceName}`,
      allowed.addressChoice,
    ),
  read(input) {
    const text = readText(input);
    if ((ipVersion(text) !== 0 && !text.includes('%')) || parseIpNetwork(text) || interfaceOnly.test(text))
      return text;
    throw new Refusal(`is no choice of an address; allowed: ${allowed.addressChoice}`);
  },
  plain: value => value,
};

/** The kind of a list of NATS servers. The default scheme is `nats://`, and the default port 4222. */
export const servers: SettingKind<readonly string[]> = {
  name: 'list',
  allowed: allowed.servers,
  schema: serversSchema,
  read(input) {
    refuseUserInfo(input);
    const items = readList(input);
    if (items.length > maxServers)
      throw new Refusal(`are too many; allowed: ${maxServers}`, `${items.length} servers`);
    return items.map(readServer);
  },
  plain: value => value,
};

/** The kind of a list of addresses: hosts with or without a port. An IPv6 address with a port stands in brackets. */
export const addresses: SettingKind<readonly string[]> = {
  name: 'addresses',
  allowed: allowed.addresses,
  schema: addressesSchema,
  read(input) {
    const items = readList(input);
    if (items.length > maxServers)
      throw new Refusal(`are too many; allowed: ${maxServers}`, `${items.length} addresses`);
    return items.map(readAddress);
  },
  plain: value => value,
};

/** The kind of a NATS subject. In it `{nodeId}` may be a whole token, in place of a node's id. */
export const subject: SettingKind<string> = {
  name: 'subject',
  allowed: allowed.subject,
  schema: () =>
    textFragment(
      // Three forms: only tokens; tokens and a later {nodeId}; or {nodeId} first and at least one token.
      `(?!\\$)(?=\\S{1,255}(?!\\S))(?:${token}(?:\\.${token})*(?:\\.\\{nodeId\\}(?:\\.${token})*)?|\\{nodeId\\}(?:\\.${token})+)`,
      allowed.subject,
    ),
  read(input) {
    const text = readText(input);
    const tokens = text.split('.');
    const placeholders = tokens.filter(part => part === '{nodeId}').length;
    const rest = tokens.filter(part => part !== '{nodeId}');
    if (/[*>]/.test(text))
      throw new Refusal('holds a wildcard; allowed: {nodeId} where the id of a node stands');
    if (placeholders > 1) throw new Refusal('holds {nodeId} more than once; allowed: once at most');
    if (rest.some(part => /[{}]/.test(part))) {
      throw new Refusal('holds a brace; allowed: {nodeId}, exactly so and as a whole token between dots');
    }
    // Subjects that begin with $ belong to the broker. It would read a heartbeat there as a request.
    if (
      text.length > 255 ||
      text.startsWith('$') ||
      placeholders === tokens.length ||
      !rest.every(part => tokenOnly.test(part))
    ) {
      throw new Refusal(`is not a subject; allowed: ${allowed.subject}`);
    }
    return text;
  },
  plain: value => value,
};

/** Returns the pattern of a number of bits, with at most three digits. */
function bits(most: number): string {
  return `(?=\\d{1,3}(?!\\d))${digits(0, most)}`;
}

function serversSchema(): Fragment {
  const one = `(?:(?:[Nn][Aa][Tt][Ss]|[Tt][Ll][Ss])://)?(?:${hostName}|${ipv4}|\\[${ipv6}\\])(?::(?:${digits(1, 65_535)})?)?/?`;
  const text = { pattern: commas(one), patternErrorMessage: `allowed: ${allowed.servers}` };
  // A host may have the name `true`, which YAML reads as a boolean.
  const type = ['string', 'boolean', 'null'] as const;
  return { type: ['array', ...type], ...text, items: { type, ...text } };
}

function addressesSchema(): Fragment {
  const onePort = `:${digits(1, 65_535)}`;
  const one = `(?:(?:${hostName}|${ipv4}|\\[${ipv6}\\])(?:${onePort})?|${ipv6})`;
  const text = { pattern: commas(one), patternErrorMessage: `allowed: ${allowed.addresses}` };
  const type = ['string', 'boolean', 'null'] as const;
  return { type: ['array', ...type], ...text, items: { type, ...text } };
}

function readAddress(text: string): string {
  if (ipVersion(text) !== 0 && !text.includes('%')) return text;
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::0*(\d{1,5}))?$/.exec(text) ?? [];
  const isRight =
    bracketed === undefined ? isHost(plain) : ipVersion(bracketed) === 6 && !bracketed.includes('%');
  if (!isRight || (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)))
    throw new Refusal(`is not an address; allowed: ${allowed.addresses}`, `"${text}"`);
  return text;
}

function readServer(text: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `nats://${text}`);
  const scheme = url?.protocol === 'nats:' || url?.protocol === 'tls:';
  // `URL` ignores line breaks, a control character at the end, and a ? or # there.
  const bare = url && ['', '/'].includes(url.pathname) && url.port !== '0' && !/[?#\s\p{Cc}]/u.test(text);
  if (!scheme || !bare || !isHost(url.hostname.replace(/^\[(.*)\]$/, '$1'))) {
    throw new Refusal(`is not a NATS server; allowed: ${allowed.servers}`, `"${withoutQuery(text)}"`);
  }
  return `${url.protocol}//${url.hostname}:${url.port || 4222}`;
}

/** Refuses addresses with an @. The text before the @ may be a secret, so the error does not repeat it. */
function refuseUserInfo(input: Input): void {
  const texts =
    typeof input === 'string' ? [input] : input instanceof Map ? [] : [...(input as readonly string[])];
  const refused = texts.find(text => text.includes('@'));
  if (refused === undefined) return;
  throw new Refusal(
    'holds a user or a token, which would appear in logs; use nats.tokenFile, nats.token or nats.user instead',
    `"…${withoutQuery(refused.slice(refused.lastIndexOf('@')))}"`,
  );
}

/** Hides the text after a ? or #. It may be a secret, because some systems take tokens there. */
function withoutQuery(text: string): string {
  return text.replace(/(?<=[?#]).+$/s, '…');
}

/** Returns whether the text is a host name or an IP address, without brackets. */
export function isHost(text: string): boolean {
  return ipVersion(text) !== 0 || nameOnly.test(text);
}
