//! `mediastack user`: the accounts of administrators, also while the server runs.

use clap::{Args, Subcommand};
use mediacore::{Error, ErrorKind, Result};
use serde::Serialize;

use super::answer::Answer;
use super::record::secret;
use super::serve::{Place, failed, load, runtime};
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::auth::Auth;
use crate::service::keys::Keys;
use crate::store::Store;
use crate::store::admins::Admin;

/// Work on the accounts of administrators
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an administrator; the password is read from MEDIASTACK_PASSWORD or standard input
    Add(User),
    /// Set the password of an administrator and end all sessions of the account
    Passwd(User),
    /// List the administrators
    List(Place),
}

#[derive(Debug, Args)]
struct User {
    /// The account's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    place: Place,
}

/// An administrator.
#[derive(Debug, Serialize)]
struct View {
    id: i64,
    username: String,
    created_at: Micros,
    last_login_at: Option<Micros>,
}

impl From<Admin> for View {
    fn from(admin: Admin) -> Self {
        Self {
            id: admin.id,
            username: admin.username,
            created_at: admin.created_at,
            last_login_at: admin.last_login_at,
        }
    }
}

#[derive(Debug, Serialize)]
struct Views {
    status: &'static str,
    administrators: Vec<View>,
}

/// Bytes of the longest password that is read.
const MAX_PASSWORD: usize = 1024;

/// `mediastack user`.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    match &arguments.command {
        Command::Add(user) => {
            let password = secret("MEDIASTACK_PASSWORD", MAX_PASSWORD, "password")?;
            let work = async |auth: &Auth| auth.add(&user.name, &password).await.map(drop);
            with_accounts(&user.place, work)?;
            Ok(done(format!("{} can sign in", user.name)))
        }
        Command::Passwd(user) => {
            let password = secret("MEDIASTACK_PASSWORD", MAX_PASSWORD, "password")?;
            let work = async |auth: &Auth| {
                let admin = auth
                    .admins()
                    .into_iter()
                    .find(|admin| admin.username == user.name);
                let admin = admin
                    .ok_or_else(|| Fault::missing(format!("there is no administrator {}", user.name)))?;
                auth.set_password(admin.id, &password).await
            };
            with_accounts(&user.place, work)?;
            Ok(done(format!(
                "{} signs in by the new password; what was signed in is out within 30 s",
                user.name
            )))
        }
        Command::List(place) => {
            let admins = with_accounts(place, async |auth: &Auth| Ok(auth.admins()))?;
            Ok(listed(admins))
        }
    }
}

fn done(text: String) -> Answer {
    #[derive(Serialize)]
    struct Done {
        status: &'static str,
    }
    Answer::new(&Done { status: "completed" }, text)
}

fn listed(admins: Vec<Admin>) -> Answer {
    let line = |admin: &Admin| {
        let last = match admin.last_login_at {
            Some(at) => format!("last signed in {at}"),
            None => "never signed in".to_owned(),
        };
        format!("{:>4}  {}  ({last})", admin.id, admin.username)
    };
    let text: Vec<String> = admins.iter().map(line).collect();
    let views = Views {
        status: "completed",
        administrators: admins.into_iter().map(Into::into).collect(),
    };
    Answer::new(&views, text.join("\n"))
}

/// Works on the accounts of the database that `place` configures.
fn with_accounts<T>(
    place: &Place,
    work: impl AsyncFnOnce(&Auth) -> std::result::Result<T, Fault>,
) -> Result<T> {
    let (config, _) = load(place, Vec::new())?;
    runtime()?.block_on(async {
        let store = Store::open(&config.database_url).await.map_err(failed)?;
        // No token is made here.
        let keys = Keys::new([0; 32]);
        let auth = Auth::open(&store, &keys, config.token_life, None)
            .await
            .map_err(failed)?;
        let done = work(&auth).await;
        store.close().await;
        done.map_err(|fault| match fault {
            Fault::Internal(error) => failed(error),
            Fault::NotFound(text) => Error::new(ErrorKind::NotFound, text),
            other => Error::new(ErrorKind::InvalidInput, other.to_string()),
        })
    })
}
