// How the page looks: every state and every language of the preview, on small and large screens, light, dark, enlarged,
// printed and from right to left; and what an operator makes of it. Each look is kept in tests/output.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { breaches, openBrowser, openTab, overhang, photograph, startPreview } from './support.mjs';

const STATES = [
  'waiting', 'message', 'next', 'one_ahead', 'far', 'first_contact', 'paused', 'closed', 'reconnecting', 'lost', 'ready',
  'nothing_sent', 'nothing_sent_ready', 'cookies_missing',
];
const LANGUAGES = [
  'en', 'ar', 'de', 'es', 'fr', 'he', 'hi', 'it', 'ja', 'ko', 'nl', 'pl', 'pt', 'tr', 'zh-Hans', 'zh-Hant',
];
const PHONE = { width: 320, height: 568 };
const DESKTOP = { width: 1280, height: 800 };

/** Everything that is seen: no element with text lies outside the window or is cut off by its parent. */
async function fits(tab, what) {
  assert.equal(await overhang(tab), 0, `${what} scrolls sideways`);
}

test('the preview has every state in every language', async (t) => {
  const preview = await startPreview(t);
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(preview.url);
  const links = await tab.getByRole('link').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  assert.deepEqual(new Set(links), new Set(STATES.flatMap((state) => LANGUAGES.map((tag) => `/0/${tag}/${state}`))));
});

for (const colorScheme of ['light', 'dark']) {
  test(`every state is readable and fits a phone and a desktop, ${colorScheme}`, async (t) => {
    const preview = await startPreview(t);
    for (const [screen, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
      const tab = await openTab(t, await openBrowser(t, { viewport, colorScheme, reducedMotion: 'reduce' }));
      for (const state of STATES) {
        await tab.goto(`${preview.url}/0/en/${state}`);
        await fits(tab, `${state}, ${screen}`);
        await photograph(tab, `look-${state}-${screen}-${colorScheme}`);
        assert.deepEqual(await breaches(tab), [], `${state}, ${screen}, ${colorScheme}`);
      }
    }
  });
}

test('every language is accessible and fits a small phone, in every state', async (t) => {
  const preview = await startPreview(t);
  const tab = await openTab(t, await openBrowser(t, { viewport: PHONE, reducedMotion: 'reduce' }));
  for (const tag of LANGUAGES) {
    for (const state of STATES) {
      await tab.goto(`${preview.url}/0/${tag}/${state}`);
      await fits(tab, `${state}, ${tag}`);
      if (['waiting', 'nothing_sent', 'ready', 'cookies_missing'].includes(state)) {
        await photograph(tab, `language-${tag}-${state}`);
      }
      assert.deepEqual(await breaches(tab), [], `${state}, ${tag}`);
    }
  }
});

test('enlarged to 400 %, printed, and in coloured-only high contrast it is whole', async (t) => {
  const preview = await startPreview(t);
  // A window of 1280 by 1024 enlarged to 400 % has 320 by 256 CSS pixels (WCAG 1.4.10).
  const zoomed = await openTab(t, await openBrowser(t, { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 }));
  for (const tag of ['en', 'de', 'ar']) {
    await zoomed.goto(`${preview.url}/0/${tag}/far`);
    await fits(zoomed, tag);
    await photograph(zoomed, `zoom-${tag}`);
  }
  const tab = await openTab(t, await openBrowser(t, { viewport: DESKTOP, colorScheme: 'dark' }));
  await tab.goto(`${preview.url}/0/en/waiting`);
  await tab.emulateMedia({ media: 'print' });
  await photograph(tab, 'print');
  const colors = await tab.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]);
  assert.deepEqual(colors, ['rgb(255, 255, 255)', 'rgb(0, 0, 0)'], 'black on white');
  await tab.emulateMedia({ media: 'screen', forcedColors: 'active' });
  await photograph(tab, 'forced-colors');
});

test('from right to left everything is mirrored', async (t) => {
  const preview = await startPreview(t);
  const tab = await openTab(t, await openBrowser(t, { viewport: DESKTOP }));
  for (const [tag, right] of [['en', false], ['ar', true], ['he', true]]) {
    await tab.goto(`${preview.url}/0/${tag}/message`);
    await photograph(tab, `direction-${tag}`);
    const [sheet, side] = await tab.evaluate(() =>
      ['.sheet', '.side'].map((name) => document.querySelector(name).getBoundingClientRect().left));
    assert.equal(sheet > side, right, tag);
  }
});

test('reduced motion moves nothing', async (t) => {
  const preview = await startPreview(t);
  const tab = await openTab(t, await openBrowser(t, { reducedMotion: 'reduce' }));
  await tab.goto(`${preview.url}/0/en/waiting`);
  const moving = await tab.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
});

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><rect width="120" height="40" rx="8" fill="#7a0019"/>
<circle cx="20" cy="20" r="10" fill="#fff"/><rect x="38" y="15" width="70" height="10" fill="#fff"/></svg>`;

test('an operator gives it colours, a logo and words, and a mistake is said', async (t) => {
  const preview = await startPreview(t);
  const folder = join(preview.folder, 'locales');
  mkdirSync(folder);
  writeFileSync(join(preview.folder, 'logo.svg'), LOGO);
  writeFileSync(join(folder, 'sv.ftl'), 'direction = ltr\nnumber-sample = 1 234 567\nin-line = Du står i kön\n');
  const own = (accent) => `
page.logo = ${JSON.stringify(join(preview.folder, 'logo.svg'))}
page.languages = ${JSON.stringify(folder)}
page.light.accent = "${accent}"
page.texts.en.in-line = "You are in our line"
`;
  preview.write(own('#7a0019'));
  const tab = await openTab(t, await openBrowser(t, { viewport: DESKTOP }));
  await tab.goto(`${preview.url}/0/en/waiting`);
  assert.equal(await tab.getByRole('heading', { level: 1 }).innerText(), 'You are in our line');
  assert.equal(await tab.locator('#ahead').evaluate((number) => getComputedStyle(number).color), 'rgb(122, 0, 25)');
  assert.ok(await tab.locator('.room img').evaluate((logo) => logo.complete && logo.naturalWidth > 0), 'the logo shows');
  assert.deepEqual(await breaches(tab), []);
  await photograph(tab, 'own-design');
  await tab.goto(`${preview.url}/0/sv/waiting`);
  assert.equal(await tab.getByRole('heading', { level: 1 }).innerText(), 'Du står i kön');

  preview.write(own('#ffd400'));
  const answer = await tab.goto(`${preview.url}/0/en/waiting`);
  assert.equal(answer.status(), 500);
  assert.match(await tab.locator('main').innerText(), /accent on sheet has a contrast of 1\.\d/);
});
