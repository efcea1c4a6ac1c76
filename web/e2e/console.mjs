// Drives the console of a running platform in Chromium: signs in by the one-time
// link, runs a drill and watches the signal arrive, visits every page in both
// languages, and asks axe about each. LINK is the sign-in link, DRILL a command
// that runs a drill and prints JSON, BRAKED the link of a second platform whose
// disk's brake is closed, APPROVER the link of a second person who may approve the
// scope that waits, SCREENSHOTS a folder for pictures.
import { AxeBuilder } from "@axe-core/playwright";
import { exec } from "node:child_process";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { LINK, DRILL, BRAKED, APPROVER, SCREENSHOTS } = process.env;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const patience = 120_000; // of each wait, in milliseconds: a slow machine is no fault
let passed = 0;
const step = async (name, fn) => {
  await fn();
  passed++;
  console.log("ok  " + name);
};
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "ja-JP", colorScheme: "dark", reducedMotion: "reduce", timezoneId: "Asia/Tokyo" });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const foreign = [], errors = [];
  const origin = new URL(LINK).origin;
  page.on("request", (r) => { if (!r.url().startsWith(origin) && !r.url().startsWith("data:")) foreign.push(r.url()); });
  page.on("console", (m) => { if (m.type() === "error") errors.push(m.text()); });
  page.on("pageerror", (e) => errors.push(String(e)));
  const shot = (name) => SCREENSHOTS && page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
  const axe = async (name) => {
    const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]).analyze();
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`), [], name);
  };

  await step("a page without a session asks to sign in", async () => {
    await page.goto(origin + "/findings");
    await page.getByText("入口").waitFor();
    await shot("sign-in-ja");
    errors.length = 0; // The refused question is what is tested.
  });
  await step("the link signs in once", async () => {
    await page.goto(LINK);
    await page.getByRole("navigation", { name: "Noroshi" }).waitFor();
    assert.ok(!page.url().includes("#"), "the secret stays in the address line");
  });
  let drill;
  await step("a drill's signal arrives on the beacon while it is watched", async () => {
    await page.getByText("防護までの時間").first().waitFor();
    const { stdout } = await promisify(exec)(DRILL);
    drill = JSON.parse(stdout);
    assert.equal(drill.ok, true, stdout);
    await page.locator(".signal .mono", { hasText: drill.name }).first().waitFor();
    await page.locator(".signal", { hasText: drill.name }).getByText("4 / 4").waitFor();
    await page.locator(".hops li.lit").nth(6).waitFor();
    assert.equal(await page.locator(".hops li.lit").count(), 7, "all seven hops are lit");
    await page.getByText("【訓練】").first().waitFor(); // A drill says that it is one.
    await shot("beacon-ja");
    await axe("beacon");
  });
  await step("findings are triaged by keyboard", async () => {
    await page.goto(origin + "/findings?state=all&q=" + drill.name);
    await page.locator("tbody tr").first().waitFor();
    await page.keyboard.press("j");
    await page.locator(".matched li").first().waitFor();
    await shot("findings-ja");
    await axe("findings");
  });
  await step("a key that an input method is composing does nothing", async () => {
    const at = page.url();
    await page.evaluate(() => window.dispatchEvent(new KeyboardEvent("keydown", { key: "j", keyCode: 229, isComposing: true, bubbles: true })));
    assert.equal(page.url(), at);
  });
  await step("the indicator shows its edges, and is revoked everywhere", async () => {
    await page.goto(origin + "/indicators?id=" + drill.indicator);
    await page.locator("article .state-confirmed").nth(3).waitFor();
    await shot("indicator-ja");
    await axe("indicators");
    await page.keyboard.press("r");
    await page.locator(".ask input").fill("訓練の終わり");
    await page.locator(".ask input").press("Enter");
    await page.locator("article .state-revoked").first().waitFor();
    await page.locator("article .state-confirmed").nth(3).waitFor();
  });
  await step("a search finds the attack, and a value pivots", async () => {
    await page.goto(origin + "/search?q=" + encodeURIComponent(JSON.stringify(drill.name)));
    await page.locator(".rows .row").first().waitFor();
    await page.locator(".rows .row").first().click();
    await shot("search-ja");
    await axe("search");
    await page.locator(".rows .fields button.value").nth(2).click();
    await page.waitForURL(/%3A%3D|:=/);
  });
  await step("a broken query says what is wrong", async () => {
    await page.goto(origin + "/search?q=" + encodeURIComponent("foo:("));
    await page.getByRole("alert").waitFor();
    errors.length = 0;
  });
  await step("nodes say what they cannot see", async () => {
    await page.goto(origin + "/nodes");
    await page.locator("tbody tr").nth(3).waitFor();
    await page.keyboard.press("j");
    await page.locator("article .matched li").first().waitFor();
    await shot("nodes-ja");
    await axe("nodes");
  });
  await step("the status explains the lag at each hop, and opens its rows", async () => {
    await page.goto(origin + "/status");
    await page.locator(".way li").nth(6).waitFor();
    assert.equal(await page.locator(".way li").count(), 7, "the line has seven hops");
    await page.locator("tbody tr", { hasText: "ディスク" }).waitFor();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.locator("article", { hasText: "ハブが束を受け取り" }).waitFor();
    assert.match(page.url(), /at=hop%3Areceive/);
    await shot("status-ja");
    await axe("status");
    await page.locator("tbody tr", { hasText: "ディスク" }).click();
    await page.locator("article .room.wide").waitFor();
    await shot("status-disk-ja");
    await axe("status, a part");
    await page.locator(".way li").nth(4).getByRole("link").first().click();
    await page.waitForURL(/\/findings/);
  });
  await step("a second person approves the scope, and what is exposed appears", async () => {
    const second = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "ja-JP", colorScheme: "dark", reducedMotion: "reduce" })).newPage();
    second.setDefaultTimeout(patience);
    await second.goto(APPROVER);
    await second.getByRole("navigation", { name: "Noroshi" }).waitFor();
    await second.goto(origin + "/surface?view=scopes");
    await second.locator("tbody tr").first().click();
    await second.getByRole("button", { name: "承認する" }).click();
    await second.locator("article .state-in_force").waitFor();
    await second.close();
    for (let tries = 0; ; tries++) {
      await page.goto(origin + "/surface");
      await page.locator("tbody tr, .empty").first().waitFor();
      if (await page.locator("tbody tr", { hasText: "127.0.0.1" }).count()) break;
      assert.ok(tries < 180, "the scanner found nothing");
      await page.waitForTimeout(1000);
    }
    await page.keyboard.press("j");
    await page.locator("article details").first().waitFor();
    await shot("surface-ja");
    await axe("surface");
  });
  await step("who is hit is one question, decided and taken back by keyboard", async () => {
    await page.goto(origin + "/hit?name=CVE-2026-90001");
    await page.locator("tbody tr", { hasText: "shop" }).waitFor();
    await page.keyboard.press("j");
    assert.match(await page.locator("tbody tr.on").innerText(), /left 2\.0\.0[\s\S]*2\.0\.1/);
    await page.locator("article .fields", { hasText: "web 1.0.0 → left 2.0.0" }).waitFor();
    await page.locator("tbody a .state-open").waitFor();
    await shot("hit-ja");
    await axe("who is hit");
    await page.keyboard.press("d");
    const form = page.locator("form.decide");
    await form.locator("select").first().waitFor();
    assert.equal(await form.getByRole("button", { name: "決定" }).isDisabled(), true, "a decision without a reason can be sent");
    await form.getByLabel("影響なしの理由").selectOption("vulnerable_code_not_in_execute_path");
    await form.getByLabel("補足").fill("この機能は無効にしています");
    await shot("decide-ja");
    await axe("deciding");
    await form.getByLabel("補足").press("Enter");
    await page.locator("tbody tr", { hasText: "影響なし" }).waitFor();
    await page.locator("article .near .state-in_force").waitFor();
    assert.match(await page.locator("article .near li").first().innerText(), /脆弱なコードは実行されない[\s\S]*無効[\s\S]*administrator[\s\S]*どの版でも/);
    await page.locator("tbody a .state-refuted").waitFor();
    await shot("decided-ja");
    await axe("decided");
    await page.locator("article .near button").first().click();
    await page.locator(".ask input").fill("機能を有効にしたため");
    await page.locator(".ask input").press("Enter");
    await page.locator("article .near .state-withdrawn").waitFor();
    await page.locator("tbody a .state-open").waitFor();
  });
  await step("its action is claimed by keyboard", async () => {
    await page.locator("tbody a .state-open").click();
    await page.locator("article .fields").waitFor();
    await page.keyboard.press("c");
    await page.locator(".ask input").fill("2.0.1 に更新しました");
    await page.locator(".ask input").press("Enter");
    await page.locator("article .state-claimed").waitFor();
    await shot("actions-ja");
    await axe("actions");
  });
  await step("every page is there in English, in light, with axe content", async () => {
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await page.getByRole("button", { name: "English" }).click();
    for (const [path, name] of [["/", "beacon"], ["/findings?state=all", "findings"], ["/indicators?id=" + drill.indicator, "indicator"], ["/search", "search"], ["/nodes", "nodes"], ["/status?at=hop:store", "status"],
      ["/actions?state=all", "actions"], ["/surface", "surface"], ["/surface?view=scopes", "scopes"], ["/surface?view=discoveries", "discoveries"], ["/surface?view=scans", "scans"], ["/hit", "systems"], ["/hit?name=CVE-2026-90001", "hit"], ["/crypto", "crypto"], ["/notices", "notices"], ["/report", "report"]]) {
      await page.goto(origin + path);
      await page.getByRole("main").locator("h1").waitFor();
      await page.waitForLoadState("load");
      await page.locator(".signal, tbody tr, .row, .empty, .calm").first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
      const left = await page.getByRole("main").locator("h1, h2, h3, th, .tabs button").allInnerTexts();
      assert.deepEqual(left.filter((s) => /[ぁ-んァ-ヶ]/.test(s)), [], "Japanese is left on " + path);
      await shot(name + "-en");
      await axe(name + " en");
    }
  });
  await step("a narrow screen works", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(origin + "/");
    await page.locator(".figure").first().waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), "the page is wider than the screen");
    await shot("beacon-narrow");
    await page.goto(origin + "/status");
    await page.locator(".way li").nth(6).waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), "the status is wider than the screen");
    await shot("status-narrow");
  });
  await step("a closed brake is said on every page, with what to do", async () => {
    const braked = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "ja-JP", colorScheme: "dark", reducedMotion: "reduce" })).newPage();
    braked.setDefaultTimeout(patience);
    await braked.goto(BRAKED);
    await braked.locator(".banner", { hasText: "ディスクのブレーキが作動中" }).waitFor();
    await braked.locator(".banner").getByRole("link").click();
    await braked.locator(".way-stuck").first().waitFor();
    await braked.locator("article", { hasText: "自動で再開します" }).waitFor();
    if (SCREENSHOTS) await braked.screenshot({ path: SCREENSHOTS + "/status-braked-ja.png" });
    const { violations } = await new AxeBuilder({ page: braked }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]).analyze();
    assert.deepEqual(violations.map((v) => v.id), [], "axe, braked");
    await braked.getByRole("button", { name: "English" }).click();
    await braked.emulateMedia({ colorScheme: "light" });
    await braked.locator(".way-stuck").first().waitFor();
    assert.equal(await braked.locator(".banner").count(), 0, "the status says it in its first line, and not twice");
    if (SCREENSHOTS) await braked.screenshot({ path: SCREENSHOTS + "/status-braked-en.png" });
    await braked.goto(new URL(BRAKED).origin + "/findings");
    await braked.locator(".banner", { hasText: "The disk's brake is closed" }).waitFor();
  });
  assert.deepEqual(foreign, [], "the console asked somebody else");
  assert.deepEqual(errors, [], "the console reported errors");
  console.log(`${passed} passed, 0 failed`);
} finally {
  await browser.close();
}
