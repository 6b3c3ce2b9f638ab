// Asks what a new join code should give, and makes it.
import { useSignal } from '@preact/signals';
import type { CreatedJoinCode } from '../../protocol/http-join-codes.ts';
import { newOperation } from '../../protocol/operation.ts';
import { AskError, ask } from '../feed/ask.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { Dialog } from '../shell/dialog.tsx';
import { commandOf, orderOf, usualWish } from './code-order.ts';

interface NewCodeProps {
  onMade(code: CreatedJoinCode): void;
  onClose(): void;
}

export function NewCode({ onMade, onClose }: NewCodeProps) {
  const wish = useSignal(usualWish);
  const refusal = useSignal('');
  const isSending = useSignal(false);
  const order = orderOf(wish.value);
  const set = (name: keyof typeof usualWish) => (event: Event) => {
    const { value, type, checked } = event.currentTarget as HTMLInputElement;
    wish.value = { ...wish.value, [name]: type === 'checkbox' ? checked : value };
  };
  const make = async (event: Event) => {
    event.preventDefault();
    if ('fault' in order) return;
    isSending.value = true;
    refusal.value = '';
    try {
      const operation = newOperation(new Date(), crypto.randomUUID());
      onMade(
        (await ask('/api/v1/orchestrator/join-codes', {
          method: 'POST',
          body: order,
          operation,
        })) as CreatedJoinCode,
      );
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      refusal.value = [error.message, error.hint].filter(Boolean).join('. ');
      isSending.value = false;
    }
  };
  const { uses, forText, approve, labels, network } = wish.value;
  return (
    <Dialog title="Make a join code" onClose={onClose}>
      <form onSubmit={make}>
        <label>
          Number of nodes that it lets in
          <input data-first inputMode="numeric" value={uses} onInput={set('uses')} />
        </label>
        <label>
          Time for which it is valid, such as 1h or 7d
          <input value={forText} onInput={set('forText')} />
        </label>
        <label>
          <input type="checkbox" checked={approve} onInput={set('approve')} /> Approve these nodes at once
        </label>
        <label>
          Labels that the nodes get, such as rack=b7 zone=east
          <input value={labels} autoCapitalize="off" spellcheck={false} onInput={set('labels')} />
        </label>
        <label>
          Network from which alone they may come, such as 10.0.0.0/8; empty for any
          <input value={network} autoCapitalize="off" spellcheck={false} onInput={set('network')} />
        </label>
        {'fault' in order ? (
          <p class="fault-text">{order.fault}</p>
        ) : (
          <CommandLine command={commandOf(wish.value)} />
        )}
        {refusal.value && (
          <p class="fault-text" role="alert">
            {refusal.value}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={'fault' in order || isSending.value}>
            Make the code
          </button>
        </div>
      </form>
    </Dialog>
  );
}
