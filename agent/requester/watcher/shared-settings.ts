// The settings that all requesters of a roll should have alike. With others, one of them lets in nodes that the other one has
// wait, or calls nodes silent that the other one hears.
import * as v from 'valibot';

export const sharedSettingsSchema = v.object({
  manualApproval: v.boolean(),
  /** A time in milliseconds, as the next one. */
  nodeDisconnectedAfter: v.number(),
  nodeUnknownAfter: v.number(),
  heartbeatTopic: v.pipe(v.string(), v.maxLength(256)),
});

export type SharedSettings = v.InferOutput<typeof sharedSettingsSchema>;

/** Returns the names of the settings in which another requester differs, such as `requester.manualApproval`. */
export function differingSettings(mine: SharedSettings, others: SharedSettings): string[] {
  return keys.filter(key => mine[key] !== others[key]).map(key => `requester.${key}`);
}

const keys = Object.keys(sharedSettingsSchema.entries) as (keyof SharedSettings)[];
