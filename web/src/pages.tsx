// The pages, in the order of the line: where each is, its lamp and its number, and
// what is seen there. One that is off the line is reached from another.
import type { ReactNode } from "react";
import { type Beacon, type Org, query, type Status } from "./api.ts";
import type { Key } from "./i18n.ts";
import { ActionsPage } from "./pages/actions.tsx";
import { BeaconPage } from "./pages/beacon.tsx";
import { CryptoPage } from "./pages/crypto.tsx";
import { FindingsPage } from "./pages/findings.tsx";
import { HitPage } from "./pages/hit.tsx";
import { IndicatorsPage } from "./pages/indicators.tsx";
import { NodesPage } from "./pages/nodes.tsx";
import { NoticesPage } from "./pages/notices.tsx";
import { ReportPage } from "./pages/report.tsx";
import { SearchPage } from "./pages/search.tsx";
import { StatusPage } from "./pages/status.tsx";
import { SurfacePage } from "./pages/surface.tsx";

export const pages: { path: string; key: Key; lamp: (b?: Beacon, s?: Status) => [string, string]; view: (orgs: Org[]) => ReactNode; off?: boolean }[] = [
  { path: "/", key: "beacon", lamp: () => ["", ""], view: () => <BeaconPage /> },
  { path: "/search", key: "observe", lamp: (b) => ["ok", b ? `${b.stages.observe.per_second.toFixed(0)}/s` : ""], view: () => <SearchPage /> },
  { path: "/findings", key: "findings", lamp: (b) => [b?.stages.analyse.open ? "amber" : "ok", String(b?.stages.analyse.open ?? "")], view: (orgs) => <FindingsPage orgs={orgs} /> },
  { path: "/indicators", key: "indicators", lamp: (b) => [b?.stages.intel.held ? "amber" : "ok", String(b?.stages.intel.active ?? "")], view: (orgs) => <IndicatorsPage orgs={orgs} /> },
  { path: "/surface", key: "surface", lamp: () => ["", ""], view: (orgs) => <SurfacePage orgs={orgs} /> },
  { path: "/crypto", key: "crypto", lamp: () => ["", ""], view: (orgs) => <CryptoPage orgs={orgs} /> },
  { path: "/hit", key: "hit", lamp: () => ["", ""], view: (orgs) => <HitPage orgs={orgs} /> },
  { path: "/actions", key: "actions", lamp: () => ["", ""], view: (orgs) => <ActionsPage orgs={orgs} /> },
  { path: "/notices", key: "notices", lamp: () => ["", ""], view: (orgs) => <NoticesPage orgs={orgs} /> },
  { path: "/report", key: "printReport", lamp: () => ["", ""], view: (orgs) => <ReportPage orgs={orgs} />, off: true },
  { path: "/nodes", key: "nodes", lamp: (b) => [b?.stages.nodes.away ? "failing" : "ok", String(b?.stages.nodes.total ?? "")], view: (orgs) => <NodesPage orgs={orgs} /> },
  { path: "/status", key: "status", lamp: (_, s) => [s?.state === "stuck" ? "failing" : s?.state === "slow" ? "amber" : "ok", ""], view: (orgs) => <StatusPage orgs={orgs} /> },
];

// jump reads what was typed into the palette: a page, a record, or words.
export function jump(v: string, t: (k: Key) => string): string {
  const p = pages.find((x) => t(x.key) === v);
  if (p) return p.path;
  if (v.startsWith("ind_")) return "/indicators?id=" + v;
  if (v.startsWith("fnd_")) return "/findings?state=all&id=" + v;
  if (v.startsWith("act_")) return "/actions?state=all&id=" + v;
  if (v.startsWith("nod_")) return "/nodes?id=" + v;
  if (/^(CVE|GHSA)-/i.test(v)) return "/hit" + query({ name: v });
  return "/search" + query({ q: JSON.stringify(v) });
}
