// 検索 Search: every event by LogsQL, and by a click on any value.
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { type Counted, get, query, type Row } from "../api.ts";
import { clockTime, useT } from "../i18n.ts";
import { useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Failed, Fields, Lead } from "../ui.tsx";

const spans: [string, number][] = [["15m", 15], ["1h", 60], ["6h", 360], ["24h", 1440], ["7d", 10080]];
const historyKey = "noroshi.search.history";

function past(): string[] {
  try { return JSON.parse(localStorage.getItem(historyKey) ?? "[]") as string[]; } catch { return []; }
}

export function SearchPage() {
  const { t } = useT();
  const { params } = useLocation();
  const tab = params.get("tab") ?? "events";
  return (
    <>
      <Lead urgent={false} help="helpSearch">{t("search")}</Lead>
      <nav className="tabs">
        <button aria-pressed={tab === "events"} onClick={() => setParams({ tab: undefined })}>LogsQL</button>
        <button aria-pressed={tab === "pdns"} onClick={() => setParams({ tab: "pdns" })}>{t("passiveDns")}</button>
      </nav>
      {tab === "pdns" ? <Pdns /> : <Events />}
    </>
  );
}

function Events() {
  const { t, lang } = useT();
  const { params } = useLocation();
  const q = params.get("q") ?? "", span = params.get("span") ?? "1h";
  const minutes = spans.find(([n]) => n === span)?.[1] ?? 60;
  const line = useRef<HTMLInputElement>(null);
  const [field, setField] = useState("");
  const [open, setOpen] = useState<number>();
  const [text, setText] = useState(q);
  const [asked, setAsked] = useState(() => Date.now());
  const range = { from: params.get("from") ?? new Date(asked - minutes * 60_000).toISOString(), to: params.get("to") ?? new Date(asked + 60_000).toISOString() };
  const key = [q, range.from, range.to];
  const rows = useQuery({ queryKey: ["search", ...key], queryFn: () => get<{ rows: Row[]; took_ms: number; truncated: boolean }>("/search" + query({ q, ...range, limit: 200 })), retry: false });
  const bars = useQuery({ queryKey: ["bars", ...key], queryFn: () => get<{ buckets: { start: string; count: number }[]; step_s: number }>("/search/histogram" + query({ q, ...range })), retry: false });
  const fields = useQuery({ queryKey: ["fields", ...key], queryFn: () => get<{ items: Counted[] }>("/search/fields" + query({ q, ...range })), retry: false });
  const values = useQuery({ queryKey: ["values", field, ...key], queryFn: () => get<{ items: Counted[] }>("/search/values" + query({ q, ...range, field, limit: 12 })), enabled: !!field, retry: false });
  const run = (v: string) => {
    setText(v);
    setAsked(Date.now());
    if (v) localStorage.setItem(historyKey, JSON.stringify([v, ...past().filter((x) => x !== v)].slice(0, 30)));
    setParams({ q: v }, false);
  };
  const add = (k: string, v: string) => run([q, k === "_msg" ? JSON.stringify(v) : `${JSON.stringify(k)}:=${JSON.stringify(v)}`].filter(Boolean).join(" "));
  useKeys({ "/": () => line.current?.focus(), p: () => open !== undefined && rows.data && add("metadata.reporter.uid", rows.data.rows[open].fields["metadata.reporter.uid"] ?? "") });
  const most = Math.max(1, ...(bars.data?.buckets ?? []).map((b) => b.count));
  return (
    <>
      <form className="queryline" onSubmit={(e) => { e.preventDefault(); run(text); }}>
        <input ref={line} list="completion" className="mono" aria-label="LogsQL" value={text} placeholder={t("queryHint")} spellCheck={false} onChange={(e) => setText(e.target.value)} />
        <datalist id="completion">
          {past().slice(0, 8).map((h) => <option key={h} value={h} />)}
          {(fields.data?.items ?? []).slice(0, 60).map((f) => <option key={f.value} value={`${text.replace(/[^\s:]*$/, "")}"${f.value}":`} />)}
          {(values.data?.items ?? []).map((v) => <option key={"v" + v.value} value={`${text.replace(/[^\s]*$/, "")}"${field}":=${JSON.stringify(v.value)}`} />)}
        </datalist>
        <select aria-label={t("span")} value={params.get("from") ? "" : span} onChange={(e) => { setAsked(Date.now()); setParams({ span: e.target.value, from: undefined, to: undefined }); }}>{params.get("from") && <option value="">…</option>}{spans.map(([n]) => <option key={n} value={n}>{t("lastMinutes")} {n}</option>)}</select>
        <button type="submit">{t("run")}</button>
      </form>
      {rows.error ? <Failed error={rows.error} /> : null}
      <div className="bars" aria-hidden="true">
        {filled(bars.data, range).map((b) => <button key={b.start} tabIndex={-1} title={`${clockTime(b.start, lang)}: ${b.count}`} style={{ height: `${4 + (44 * b.count) / most}px` }}
          onClick={() => setParams({ from: b.start, to: new Date(Date.parse(b.start) + (bars.data?.step_s ?? 60) * 1000).toISOString() }, false)} />)}
      </div>
      <p className="muted">{rows.data ? `${rows.data.rows.length} ${t("rows")} · ${t("took")} ${rows.data.took_ms.toFixed(1)} ms${rows.data.truncated ? " · " + t("more") : ""}` : " "}</p>
      <div className="split search">
        <aside className="fieldlist" aria-label={t("fields")}>
          <h2>{t("fields")}</h2>
          {(fields.data?.items ?? []).map((f) => (
            <div key={f.value}>
              <button className={"mono" + (f.value === field ? " on" : "")} aria-expanded={f.value === field} onClick={() => setField(f.value === field ? "" : f.value)}>{f.value} <small className="num">{f.count}</small></button>
              {f.value === field && <ul>{(values.data?.items ?? []).map((v) => <li key={v.value}><button className="value" onClick={() => add(field, v.value)}>{v.value}</button> <small className="num muted">{v.count}</small></li>)}</ul>}
            </div>
          ))}
        </aside>
        <section className="main scroll">
          {rows.data?.rows.length === 0 && <p className="empty">{t("emptySearch")}</p>}
          <ul className="rows">
            {(rows.data?.rows ?? []).map((r, i) => (
              <li key={i}>
                <button className="row" aria-expanded={open === i} onClick={() => setOpen(open === i ? undefined : i)}>
                  <time className="num">{r.time.startsWith("0001") ? "" : clockTime(r.time, lang)}</time> <span className="tag">{r.fields.class ?? ""}</span> <span className="mono">{r.fields._msg ?? Object.entries(r.fields).map(([k, v]) => `${k}=${v}`).join("  ")}</span>
                </button>
                {open === i && <Fields fields={r.fields} onPick={add} />}
              </li>
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

// filled puts a bucket where nothing happened, so that the bars are true in time.
export function filled(data: { buckets: { start: string; count: number }[]; step_s: number } | undefined, range: { from: string; to: string }) {
  if (!data?.step_s) return [];
  const step = data.step_s * 1000;
  const counts = new Map(data.buckets.map((b) => [Math.floor(Date.parse(b.start) / step), b.count]));
  const out: { start: string; count: number }[] = [];
  for (let i = Math.floor(Date.parse(range.from) / step); i * step < Date.parse(range.to) && out.length < 400; i++) out.push({ start: new Date(i * step).toISOString(), count: counts.get(i) ?? 0 });
  return out;
}

function Pdns() {
  const { t, lang } = useT();
  const { params } = useLocation();
  const name = params.get("name") ?? "";
  const q = useQuery({ queryKey: ["pdns", name], queryFn: () => get<{ items: { name: string; type: string; data: string; first: string; last: string; count: number }[] }>("/pdns" + query({ q: name })), enabled: !!name, retry: false });
  return (
    <section className="scroll">
      <form className="queryline" onSubmit={(e) => { e.preventDefault(); setParams({ name: String(new FormData(e.currentTarget).get("name")) }, false); }}>
        <input name="name" className="mono" defaultValue={name} placeholder={t("pdnsHint")} aria-label={t("passiveDns")} /><button type="submit">{t("run")}</button>
      </form>
      {q.error ? <Failed error={q.error} /> : null}
      {q.data?.items.length === 0 && <p className="empty">{t("emptySearch")}</p>}
      {q.data && q.data.items.length > 0 && (
        <table className="dense"><thead><tr><th>{t("name")}</th><th>{t("type")}</th><th>{t("data")}</th><th>{t("firstSeen")}</th><th>{t("lastSeen")}</th><th className="num">{t("count")}</th></tr></thead>
          <tbody>{q.data.items.map((e) => <tr key={e.name + e.type + e.data}><td className="mono">{e.name}</td><td>{e.type}</td><td className="mono">{e.data}</td><td className="num">{clockTime(e.first, lang)}</td><td className="num">{clockTime(e.last, lang)}</td><td className="num">{e.count}</td></tr>)}</tbody></table>
      )}
    </section>
  );
}
