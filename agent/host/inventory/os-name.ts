// Reads the name of the operating system from its own files.
import { readSystemFile } from '../../system/read-file.ts';
import { tidy } from '../values/tidy.ts';

export interface OsName {
  /** The full name for people, such as `Debian GNU/Linux 12 (bookworm)` or `macOS 15.2`. */
  pretty?: string | undefined;
  /** The name without a version, such as `Debian GNU/Linux`. */
  distro?: string | undefined;
  /** The version, such as `12`. */
  release?: string | undefined;
}

type ReadText = (path: string) => Promise<string | undefined>;

/** Reads os-release(5), or SystemVersion.plist on macOS. All members are absent when neither file exists. */
export async function readOsName(read: ReadText = readText): Promise<OsName> {
  const release = (await read('/etc/os-release')) ?? (await read('/usr/lib/os-release'));
  if (release !== undefined) return fromOsRelease(release);
  const plist = await read('/System/Library/CoreServices/SystemVersion.plist');
  return plist === undefined ? {} : fromPlist(plist);
}

function fromOsRelease(text: string): OsName {
  const value = (key: string) => {
    const raw = new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim();
    const quoted = raw === undefined ? undefined : /^(["'])(.*)\1$/.exec(raw);
    return tidy((quoted?.[2] ?? raw)?.replace(/\\(.)/g, '$1'));
  };
  return {
    pretty: value('PRETTY_NAME') ?? value('NAME'),
    distro: value('NAME'),
    release: value('VERSION_ID'),
  };
}

function fromPlist(text: string): OsName {
  const value = (key: string) =>
    tidy(new RegExp(`<key>${key}</key>\\s*<string>([^<]*)</string>`).exec(text)?.[1]);
  const distro = value('ProductName');
  const release = value('ProductVersion');
  return { pretty: tidy([distro, release].filter(Boolean).join(' ')), distro, release };
}

// Reads a file. A file that cannot be read counts as absent, because the name is not important enough for an error.
async function readText(path: string): Promise<string | undefined> {
  const data = await readSystemFile(path).catch(() => undefined);
  return data?.toString('utf8');
}
