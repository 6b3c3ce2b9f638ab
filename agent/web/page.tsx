// Begins the page in a browser.
import { render } from 'preact';
import { startFeed } from './feed/roll.ts';
import { signInByAddress } from './frame/one-time-address.ts';
import { Shell } from './frame/shell.tsx';
import './page.css';

await signInByAddress();
startFeed();
const place = document.getElementById('page');
if (place) render(<Shell />, place);
