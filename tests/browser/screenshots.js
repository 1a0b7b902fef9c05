// `npm run screenshots -- FOLDER`: a picture of every page in every state, light and dark, on a phone and on a desk.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DESK, openBrowser, PHONE } from './support/browser.js';
import { openHouse } from '../support/house.js';
import { walk, walkConfirmFirst } from './support/pages.js';

const folder = resolve(process.argv[2] ?? 'screenshots');
await mkdir(folder, { recursive: true });
const house = await openHouse();
const discreet = await openHouse({ VESTIBULE_SIGN_UP: 'confirm_first' });
const browser = await openBrowser(house);
const discreetBrowser = await openBrowser(discreet);
let taken = 0;
try {
  for (const [sizeName, size] of Object.entries({ phone: PHONE, desk: DESK })) {
    for (const dark of [false, true]) {
      const look = `${sizeName}-${dark ? 'dark' : 'light'}`;
      const context = await browser.person({ dark, size });
      const see = async (page, name) => {
        await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
        taken += 1;
      };
      await walk(house, context, `rosalind.${look}`, see);
      await context.close();
      const newcomer = await discreetBrowser.person({ dark, size });
      await walkConfirmFirst(discreet, newcomer, `rosalind.${look}`, see);
      await newcomer.close();
    }
  }
} finally {
  await browser.close();
  await house.close();
  await discreetBrowser.close();
  await discreet.close();
}
console.log(`${taken} pictures in ${folder}`);
