// 報告書 Report: the month in one printable page, for those above.
import { useQuery } from "@tanstack/react-query";
import { type Action, type ActionFigures, type Figures, get, type Org, type Page, query } from "../api.ts";
import { longDate, useT } from "../i18n.ts";
import { useLocation } from "../route.ts";
import { Failed, LevelMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { useOrg } from "./surface.tsx";

export function ReportPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const name = useOrg(orgs);
  const org = params.get("org") ?? "";
  const q = useQuery({ queryKey: ["actions", "figures", org, 31], queryFn: () => get<ActionFigures>("/actions/figures" + query({ org, days: 365 })) });
  const worst = useQuery({ queryKey: ["actions", "worst", org], queryFn: () => get<Page<Action>>("/actions" + query({ state: "open,claimed", org, sort: "priority", limit: 20, realm: "real" })) });
  const r = q.data;
  const at = orgs.find((o) => o.id === org);
  return (
    <article className="report">
      <p className="actions"><button onClick={() => print()}>{t("print")}</button></p>
      <header><h1>{t("reportTitle")}</h1><p>{at ? pick(at.name, at.name_ja) : t("allOrganisations")} — {longDate(new Date(), lang)}</p></header>
      {q.error ? <Failed error={q.error} /> : null}
      {r && <>
        <section><h2>{t("reportSummary")}</h2><p>{summary(r.all, lang)}</p></section>
        <section><h2>{t("reportFigures")}</h2><Table rows={[{ name: t("all"), f: r.all }, ...(r.sectors ?? []).map((f) => ({ name: word(f.sector === "centre" ? "centreSector" : f.sector ?? ""), f })), ...(r.organisations ?? []).slice(0, 200).map((f) => ({ name: "　" + name(f.org ?? ""), f }))]} /></section>
        <section><h2>{t("ageing")}</h2><table className="dense"><thead><tr>{r.all.ages.map((a) => <th key={a.days} className="num">{a.days ? `≤ ${a.days} ${t("days")}` : t("older")}</th>)}</tr></thead><tbody><tr>{r.all.ages.map((a) => <td key={a.days} className="num">{a.count}</td>)}</tr></tbody></table></section>
      </>}
      <section>
        <h2>{t("reportWorst")}</h2>
        <table className="dense"><thead><tr><th>{t("level")}</th><th>{t("title")}</th><th>{t("asset")}</th><th>{t("org")}</th><th className="num">{t("due")}</th></tr></thead>
          <tbody>{worst.data && worst.data.items.length === 0 && <tr><td colSpan={5} className="muted">{t("actionsCalm")}</td></tr>}{(worst.data?.items ?? []).map((a) => <tr key={a.id}><td><LevelMark level={a.weakness.level} /></td><td>{pick(a.weakness.title, a.weakness.title_ja)} {a.weakness.threat?.kev && `◆ ${t("kev")}`}</td><td>{a.weakness.asset.name || a.weakness.asset.key}</td><td>{a.owner_known ? name(a.org) : t("ownerUnknown")}</td><td className="num">{day(a.due, lang)}</td></tr>)}</tbody>
        </table>
      </section>
      <section><h2>{t("reportMeaning")}</h2><p className="muted">{t("reportTerms")}</p></section>
    </article>
  );
}

// summary says the figures in a sentence, as somebody who has a minute reads them.
function summary(f: Figures, lang: "ja" | "en"): string {
  const days = (n: number | null) => (n === null ? (lang === "ja" ? "未算出" : "not known yet") : n.toFixed(1) + (lang === "ja" ? "日" : " days"));
  const share = (n: number | null) => (n === null ? (lang === "ja" ? "未算出" : "not known yet") : Math.round(n * 100) + " %");
  return lang === "ja"
    ? `過去1年間に弱点が${f.found}件見つかり、${f.proved}件の是正が再調査で証明されました。残りは${f.live}件で、うち${f.overdue}件が期限を過ぎています。是正までの中央値は${days(f.median_fix_days)}、弱点の半減期は${days(f.half_life_days)}、期限内の是正は${share(f.in_time)}、所有者の判明率は${share(f.owner_known)}です。`
    : `Within a year ${f.found} weaknesses were found, and ${f.proved} were proved to be mended by a survey that looked again. ${f.live} are left, ${f.overdue} of them overdue. The median time to fix is ${days(f.median_fix_days)}, the half-life of exposure ${days(f.half_life_days)}; fixed in time: ${share(f.in_time)}; owners known: ${share(f.owner_known)}.`;
}

function Table({ rows }: { rows: { name: string; f: Figures }[] }) {
  const { t } = useT();
  const n = (x: number | null, share?: boolean) => (x === null ? "—" : share ? Math.round(x * 100) + " %" : x.toFixed(1));
  return (
    <table className="dense">
      <thead><tr><th>{t("org")}</th><th className="num">{t("leftToMend")}</th><th className="num">{t("overdue")}</th><th className="num">{t("proved")}</th><th className="num">{t("medianFix")} ({t("days")})</th><th className="num">{t("halfLife")} ({t("days")})</th><th className="num">{t("fixedInTime")}</th><th className="num">{t("ownersKnown")}</th></tr></thead>
      <tbody>{rows.map((r, i) => <tr key={i}><td>{r.name}</td><td className="num">{r.f.live}</td><td className="num">{r.f.overdue}</td><td className="num">{r.f.proved}</td><td className="num">{n(r.f.median_fix_days)}</td><td className="num">{n(r.f.half_life_days)}</td><td className="num">{n(r.f.in_time, true)}</td><td className="num">{n(r.f.owner_known, true)}</td></tr>)}</tbody>
    </table>
  );
}
