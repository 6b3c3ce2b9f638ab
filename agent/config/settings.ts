// The table of all settings is the source of the loader, the environment names, the flags, `config show` and
// docs/configure.md.
import { apiSettings } from './api-settings.ts';
import { brokerSettings } from './broker-settings.ts';
import { computeSettings } from './compute-settings.ts';
import type { Plain, SettingKind } from './kind.ts';
import { metricsSettings } from './metrics-settings.ts';
import { natsSettings } from './nats-settings.ts';
import { nodeSettings } from './node-settings.ts';
import { programSettings } from './program-settings.ts';
import { requesterSettings } from './requester-settings.ts';
import type { Setting } from './setting.ts';

/** All settings. Each section has a file of its own. Every page lists the settings in this order. */
export const table = {
  ...computeSettings,
  ...requesterSettings,
  ...natsSettings,
  ...brokerSettings,
  ...nodeSettings,
  ...apiSettings,
  ...metricsSettings,
  ...programSettings,
} satisfies Record<string, Setting>;

type Table = typeof table;
export type SettingKey = keyof Table;
export type SecretKey = {
  [Key in SettingKey]: Table[Key] extends { secret: true } ? Key : never;
}[SettingKey];

type Value<Row> = Row extends { type: SettingKind<infer T> }
  ? Row extends { default: Plain }
    ? T
    : T | undefined
  : never;
type Head<Key> = Key extends `${infer First}.${string}` ? First : Key;
type Below<T, First> = {
  [Key in keyof T as Key extends `${First & string}.${infer Rest}` ? Rest : never]: T[Key];
};
type Nested<T> = {
  readonly [First in Head<keyof T> & string]: First extends keyof T
    ? Value<T[First]>
    : Nested<Below<T, First>>;
};

/**
 * The values of all settings by path: `settings.compute.heartbeatFrequency`. Durations are in milliseconds, sizes in bytes.
 */
export type Settings = Nested<Table>;

/** The settings that may be given on the command line. */
export type FlagKey = Exclude<SettingKey, SecretKey>;
