//! Claims as rows of the table `claims`.

use rusqlite::{Connection, named_params};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

use super::super::{Claim, ClaimKey, Fingerprint};
use super::row::{from_sql, to_sql};

/// The claim that has a key.
pub(super) struct Holder {
    fingerprint: String,
    job: String,
    due_at: i64,
    lapses_at: i64,
}

/// Claims a key in one step. Returns the claim that has it then.
pub(super) fn claim(
    connection: &Connection,
    claim: &Claim,
    instead_of: Option<JobId>,
) -> rusqlite::Result<Holder> {
    // SQLite returns a row only if it wrote one, so a lost claim updates the row to its own values.
    let mut statement = connection.prepare_cached(
        "INSERT INTO claims VALUES (:key, :fingerprint, :job, :due, :lapses)
         ON CONFLICT (key) DO UPDATE SET
             (fingerprint, job_id, due_at, lapses_at) = (
                 SELECT excluded.fingerprint, excluded.job_id, excluded.due_at, excluded.lapses_at
                 WHERE claims.lapses_at <= :now OR claims.job_id = :instead_of
                 UNION ALL
                 SELECT claims.fingerprint, claims.job_id, claims.due_at, claims.lapses_at
                 LIMIT 1)
         RETURNING fingerprint, job_id, due_at, lapses_at",
    )?;
    let parameters = named_params! {
        ":key": claim.key.as_str(),
        ":fingerprint": claim.fingerprint.as_str(),
        ":job": claim.job.to_string(),
        ":due": to_sql(claim.due_at),
        ":lapses": to_sql(claim.lapses_at),
        ":now": to_sql(EpochMillis::now()),
        ":instead_of": instead_of.map(|job| job.to_string()),
    };
    statement.query_row(parameters, |row| {
        Ok(Holder {
            fingerprint: row.get(0)?,
            job: row.get(1)?,
            due_at: row.get(2)?,
            lapses_at: row.get(3)?,
        })
    })
}

pub(super) fn release(connection: &Connection, key: &ClaimKey, job: JobId) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM claims WHERE key = :key AND job_id = :job")?;
    statement.execute(named_params! { ":key": key.as_str(), ":job": job.to_string() })?;
    Ok(())
}

impl Holder {
    pub(super) fn into_claim(
        self,
        key: &ClaimKey,
    ) -> Result<Claim, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Claim {
            key: key.clone(),
            fingerprint: Fingerprint::from_store(self.fingerprint),
            job: self.job.parse()?,
            due_at: from_sql(self.due_at),
            lapses_at: from_sql(self.lapses_at),
        })
    }
}
