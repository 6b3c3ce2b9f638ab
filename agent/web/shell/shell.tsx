// The frame around every view: the header, and the view that the address names.
import { firstView, fragmentOf } from './address.ts';
import { goTo, place } from './place.ts';
import { views } from './views.ts';

export function Shell() {
  const { view, name } = place.value;
  const shown = views.find(({ word }) => word === view);
  if (!shown) goTo(firstView);
  return (
    <>
      <header class="header">
        <nav>
          {views.map(
            ({ word, title }) =>
              title && (
                <a key={word} href={fragmentOf(word)} aria-current={word === view ? 'page' : undefined}>
                  {title}
                </a>
              ),
          )}
        </nav>
      </header>
      <main>{shown && <shown.Show name={name} />}</main>
    </>
  );
}
