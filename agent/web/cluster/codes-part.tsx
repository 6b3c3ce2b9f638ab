// Shows the join codes, and makes and revokes them. A code itself is shown once, when it is made.
import { useSignal } from '@preact/signals';
import type { CreatedJoinCode, JoinCodeView } from '../../protocol/http-join-codes.ts';
import { joinCodeWords, joinCommands, revokeCommand } from '../../protocol/join-code-words.ts';
import { newOperation } from '../../protocol/operation.ts';
import { AskError, ask } from '../feed/ask.ts';
import { head, requesterNow } from '../feed/roll.ts';
import { useAnswer } from '../feed/use-answer.ts';
import { announce } from '../shell/announce.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { Dialog } from '../shell/dialog.tsx';
import { Part } from '../shell/part.tsx';
import { Ago } from '../shell/time.tsx';
import { NewCode } from './new-code.tsx';

const path = '/api/v1/orchestrator/join-codes';

export function CodesPart() {
  const version = useSignal(0);
  const isMaking = useSignal(false);
  const made = useSignal<CreatedJoinCode | undefined>(undefined);
  const { value, fault } = useAnswer<{ JoinCodes: JoinCodeView[] }>(path, version.value);
  const mayDecide = head.value?.mayDecide ?? false;
  const onMade = (code: CreatedJoinCode) => {
    isMaking.value = false;
    made.value = code;
    version.value++;
  };
  return (
    <Part id="codes" title="Join codes" fault={fault}>
      {value && <CodeTable codes={value.JoinCodes} mayDecide={mayDecide} onRevoked={() => version.value++} />}
      {mayDecide ? (
        <button
          type="button"
          onClick={() => {
            isMaking.value = true;
          }}
        >
          Make a code
        </button>
      ) : (
        <p class="dim">To make and revoke codes here, sign in with a token that may change something.</p>
      )}
      {isMaking.value && (
        <NewCode
          onMade={onMade}
          onClose={() => {
            isMaking.value = false;
          }}
        />
      )}
      {made.value && (
        <MadeCode
          code={made.value}
          onClose={() => {
            made.value = undefined;
          }}
        />
      )}
    </Part>
  );
}

interface CodeTableProps {
  codes: readonly JoinCodeView[];
  mayDecide: boolean;
  onRevoked(): void;
}

function CodeTable({ codes, mayDecide, onRevoked }: CodeTableProps) {
  if (codes.length === 0) return <p class="dim">There are none.</p>;
  return (
    <table class="facts codes">
      <thead>
        <tr>
          <th scope="col">Code</th>
          <th scope="col">State</th>
          <th scope="col">Used</th>
          <th scope="col">Ends</th>
          <th scope="col">What it gives, and who made it</th>
        </tr>
      </thead>
      <tbody>
        {codes.map(code => (
          <tr key={code.ID}>
            <th scope="row">{code.ID}</th>
            <td>{code.State}</td>
            <td>
              {code.Used} of {code.Uses}
            </td>
            <td>
              <Ago at={Date.parse(code.EndsAt)} />
            </td>
            <td>
              {giftOf(code)}{' '}
              {mayDecide && code.State === 'valid' && <RevokeButton id={code.ID} onRevoked={onRevoked} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Returns what a node gets that comes in with a code, and from where it may come. */
function giftOf({ Approve, Labels, Network, CreatedBy }: JoinCodeView): string {
  const labels = Object.entries(Labels).map(([key, value]) => `${key}=${value}`);
  const texts = [
    Approve && 'approval',
    ...labels,
    Network && `only from ${Network}`,
    CreatedBy && `made by ${CreatedBy}`,
  ];
  return texts.filter(Boolean).join(', ');
}

function RevokeButton({ id, onRevoked }: { id: string; onRevoked(): void }) {
  const isAsking = useSignal(false);
  const close = () => {
    isAsking.value = false;
  };
  const revoke = async () => {
    close();
    try {
      const operation = newOperation(new Date(), crypto.randomUUID());
      await ask(`${path}/${id}`, { method: 'PUT', body: { Action: 'revoke' }, operation });
      announce({ text: `Join code ${id} is revoked.`, isFault: false, more: [] });
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      announce({ text: error.message, isFault: true, more: error.hint ? [error.hint] : [] });
    }
    onRevoked();
  };
  return (
    <>
      <button
        type="button"
        aria-label={`Revoke code ${id}`}
        onClick={() => {
          isAsking.value = true;
        }}
      >
        Revoke
      </button>
      {isAsking.value && (
        <Dialog title={`Revoke join code ${id}`} onClose={close}>
          <p>Nobody comes in with it any more. The nodes that came in with it stay.</p>
          <CommandLine command={revokeCommand(id)} />
          <div class="buttons">
            <button type="button" data-first onClick={close}>
              Cancel
            </button>
            <button type="button" class="main" onClick={revoke}>
              Revoke
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** Shows a code that was just made. It is shown nowhere else, and never again. */
function MadeCode({ code, onClose }: { code: CreatedJoinCode; onClose(): void }) {
  const [install] = joinCommands;
  return (
    <Dialog title="A new join code" onClose={onClose}>
      <p>
        <strong>It is shown only now.</strong> Whoever has it can bring a machine in.
      </p>
      <CommandLine command={code.Code} />
      <p>On the new machine, this asks for the code:</p>
      <CommandLine command={install} />
      {joinCodeWords(code, new Date(requesterNow())).map(line => (
        <p key={line}>{line}</p>
      ))}
      <div class="buttons">
        <button type="button" data-first onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
