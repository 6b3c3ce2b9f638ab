// The schemas for changes of labels and for who made them. They stand apart from the rule, which commands need without them.
import * as v from 'valibot';
import { type LabelChange, labelRule, pairFault } from './label.ts';
import { goTime } from './node-info.ts';
import { struct, text } from './schema.ts';

/** Returns a schema for a change of labels. A key or a value that breaks the rule is named with its character. */
export const labelChange = () =>
  v.pipe(
    v.custom<LabelChange>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      'expected an object',
    ),
    v.check(map => Object.keys(map).length <= labelRule.count, `more than ${labelRule.count} labels`),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [key, value] of Object.entries(dataset.value)) {
        const fault = pairFault(key, value);
        if (fault) addIssue({ message: fault });
      }
    }),
  );

/** The members that say who set a label of the control plane, and why. */
export const labelOriginMembers = {
  Label: text(256),
  /** The operator whose token was shown. */
  Actor: text(256),
  /** What the caller says of itself. Nothing proves it. */
  ClaimedActor: v.optional(v.pipe(v.string(), v.maxLength(256))),
  Reason: text(1024),
};

/** Who set a label of the control plane, why and when. The labels of a join code have none. */
export const labelOriginSchema = struct({ ...labelOriginMembers, At: goTime() });
export type LabelOrigin = v.InferOutput<typeof labelOriginSchema>;
