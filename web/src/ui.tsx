// The small parts that all pages share.
import { type ReactNode, useState } from "react";
import type { Hop, Indicator, Level, Observable } from "./api.ts";
import { clockTime, duration, type Key, useT } from "./i18n.ts";

// defang writes an observable so that nothing makes a link of it.
export function defang(o: Observable): string {
  if (o.kind === "url") {
    const [scheme, rest = ""] = o.value.split("://");
    const [host, ...path] = rest.split("/");
    return scheme.replace(/^http/, "hxxp") + "[:]//" + host.replaceAll(".", "[.]") + "/" + path.join("/");
  }
  if (o.kind === "ipv6") return o.value.replace(":", "[:]");
  if (["domain", "ipv4", "cidr"].includes(o.kind)) return o.value.replaceAll(".", "[.]");
  return o.value;
}

const shapes: Record<Level, string> = { informational: "○", low: "◔", medium: "◑", high: "◕", critical: "●" };

export function LevelMark({ level }: { level: Level }) {
  const { word } = useT();
  return <span className={"level level-" + level}><span aria-hidden="true">{shapes[level]}</span> {word(level)}</span>;
}

const stateShapes: Record<string, string> = {
  active: "▲", held: "◇", revoked: "▽", expired: "▿", refused: "✕", confirmed: "▲", waiting: "△", diverged: "≠", away: "○", cut: "✕",
  new: "●", escalated: "▲", closed: "✓", dismissed: "–",
  candidate: "◇", certain: "▲", rejected: "✕", in_force: "▲", withdrawn: "▽",
  open: "●", claimed: "◇", excepted: "▿", proved: "✓", refuted: "–",
  fine: "●", slow: "◆", stuck: "✕",
};

export function StateMark({ state }: { state: string }) {
  const { word } = useT();
  return <span className={"state state-" + state}><span aria-hidden="true">{stateShapes[state] ?? "·"}</span> {word(state)}</span>;
}

export function Realm({ realm }: { realm: string }) {
  const { t } = useT();
  return realm === "exercise" ? <span className="exercise">【{t("exercise")}】</span> : null;
}

// Lead is the first line of a page: what needs me now, and when that was true.
export function Lead({ urgent, children, at, help }: { urgent: boolean; children: ReactNode; at?: string; help: Key }) {
  const { t, lang } = useT();
  const [open, setOpen] = useState(false);
  return (
    <header className="lead">
      <h1 className={urgent ? "urgent" : "calm"}><span aria-hidden="true">{urgent ? "◆ " : "✓ "}</span>{children}</h1>
      {at && <span className="muted">{lang === "ja" ? `${clockTime(at, lang)} ${t("asOf")}` : `${t("asOf")} ${clockTime(at, lang)}`}</span>}
      <button className="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>{t("help")}</button>
      {open && <p className="helptext">{t(help)}</p>}
    </header>
  );
}

export function Hops({ hops, running }: { hops: Hop[]; running?: boolean }) {
  const { t, lang } = useT();
  return (
    <ol className={"hops" + (running ? " running" : "")}>
      {hops.map((h, i) => (
        <li key={h.name} className={h.ms === null ? "dark" : "lit"} style={{ "--i": i } as React.CSSProperties}>
          <span className="hopname">{t(h.name as Key)}</span>
          <span className="dot" aria-hidden="true" />
          <b>{h.ms === null ? "—" : duration(h.ms, lang).join(" ")}</b>
        </li>
      ))}
    </ol>
  );
}

export function Fields({ fields, onPick }: { fields: Record<string, string>; onPick?: (name: string, value: string) => void }) {
  return (
    <dl className="fields">
      {Object.entries(fields).filter(([k]) => !k.startsWith("_stream")).sort().map(([k, v]) => (
        <div key={k}>
          <dt>{k}</dt>
          <dd>{onPick ? <button className="value" onClick={() => onPick(k, v)}>{v}</button> : v}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Failed({ error }: { error: unknown }) {
  const { t } = useT();
  return <p role="alert" className="failed">{t("failed")}: {error instanceof Error ? error.message : String(error)}</p>;
}

// Ask is an inline question with one line of text: no dialog covers the list.
export function Ask({ label, submit, cancel, children }: { label: string; submit: (text: string) => void; cancel: () => void; children?: ReactNode }) {
  const { t } = useT();
  const [text, setText] = useState("");
  return (
    <form className="ask" onSubmit={(e) => { e.preventDefault(); if (text.trim()) submit(text.trim()); }}
      onKeyDown={(e) => { if (e.key === "Escape" && !e.nativeEvent.isComposing) { e.stopPropagation(); cancel(); } }}>
      <label>{label}<input autoFocus value={text} onChange={(e) => setText(e.target.value)} placeholder={t("confirmReason")} maxLength={500} /></label>
      {children}
      <button type="submit" disabled={!text.trim()}>{t("decide")}</button>
      <button type="button" className="quiet" onClick={cancel}>{t("cancel")}</button>
    </form>
  );
}

export function Value({ ind }: { ind: Indicator }) {
  return <span className="mono">{ind.observable.value}</span>;
}
