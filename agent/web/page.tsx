// Begins the page in a browser.
import { render } from 'preact';
import { Shell } from './shell/shell.tsx';
import './page.css';

const place = document.getElementById('page');
if (place) render(<Shell />, place);
