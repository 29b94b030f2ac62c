//! [`App`]: the object graph, built once; and the order in which it starts and stops.

mod folder;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mediacore::source::Egress;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::time::Micros;
use crate::http::{self, Site};
use crate::listen::{self, Limits};
use crate::log::Ring;
use crate::service::access::Access;
use crate::service::auth::Auth;
use crate::service::catalogue::Catalogue;
use crate::service::checks::Checks;
use crate::service::codes::Codes;
use crate::service::events::Events;
use crate::service::extras::Extras;
use crate::service::fsck::orphans;
use crate::service::jobs::{Jobs, WORKERS};
use crate::service::keys::Keys;
use crate::service::library::Library;
use crate::service::limits::Limiter;
use crate::service::monitor::Monitor;
use crate::service::playback::Playback;
use crate::service::recordings::Recordings;
use crate::service::removal::Remover;
use crate::service::retention::{Disk, Retention};
use crate::service::schedules::Schedules;
use crate::service::sources::Sources;
use crate::service::tasks::Tasks;
use crate::service::trash::Trash;
use crate::service::uploads::Uploads;
use crate::service::webhooks::{self, Webhooks};
use crate::store::Store;
use crate::store::tasks::Task;
use crate::vod::files::Folder;
use crate::worker::Workers;

pub(crate) use folder::{Folders, TOKEN, server_key};

/// Everything that requests need.
pub(crate) struct App {
    /// How it is configured.
    pub(crate) config: Config,
    /// The folders on the disk.
    pub(crate) folders: Arc<Folders>,
    /// The storage folder, for sending files.
    pub(crate) media: Arc<Folder>,
    /// The database.
    pub(crate) store: Store,
    /// What happens.
    pub(crate) events: Events,
    /// Who is signed in.
    pub(crate) auth: Auth,
    /// Viewing codes.
    pub(crate) codes: Arc<Codes>,
    /// Who may see what.
    pub(crate) access: Access,
    /// Media as viewers get it.
    pub(crate) playback: Arc<Playback>,
    /// The library.
    pub(crate) library: Arc<Library>,
    /// Categories and tags.
    pub(crate) catalogue: Catalogue,
    /// Pictures, texts and links of videos.
    pub(crate) extras: Extras,
    /// What is being recorded.
    pub(crate) recordings: Arc<Recordings>,
    /// Live inputs.
    pub(crate) sources: Sources,
    /// Whether live inputs send media.
    pub(crate) checks: Arc<Checks>,
    /// Recordings that start by the clock.
    pub(crate) schedules: Arc<Schedules>,
    /// The history of recordings.
    pub(crate) tasks: Tasks,
    /// What the machine does.
    pub(crate) monitor: Arc<Monitor>,
    /// The newest lines of the log.
    pub(crate) lines: Arc<Ring>,
    /// The server is to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Long work.
    pub(crate) jobs: Jobs,
    /// Files that come in pieces.
    pub(crate) uploads: Uploads,
    /// Who is told of what happens.
    pub(crate) webhooks: Arc<Webhooks>,
    /// What is removed by itself.
    pub(crate) retention: Arc<Retention>,
    remover: Remover,
    /// Media without a row is made into items by one request at a time.
    pub(crate) importing: tokio::sync::Mutex<()>,
    /// Networks that the log said of that they are refused.
    pub(crate) refused: Limiter<IpAddr>,
}

/// The password of the first administrator while the server can be reached from this machine alone.
const LOOPBACK_PASSWORD: &str = "admin123";

impl App {
    /// Builds it: folders, database, accounts.
    ///
    /// # Errors
    /// When a part can't be had.
    pub(crate) async fn build(
        config: Config,
        lines: Arc<Ring>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Arc<Self>> {
        let folders = Arc::new(Folders::open(&config.data_dir, &config.storage)?);
        let media = Arc::new(Folder::open(folders.storage())?);
        let keys = match &config.secret_key {
            Some(key) => Keys::of_text(key.expose()),
            None => Keys::new(server_key(&config.data_dir)?),
        };
        let store = Store::open(&config.database_url)
            .await
            .context("open the database")?;
        same_storage(&store, &folders).await?;
        let password = config
            .admin_password
            .as_ref()
            .map_or(LOOPBACK_PASSWORD, |password| password.expose());
        let first = (config.admin_username.as_str(), password);
        let auth = Auth::open(&store, &keys, config.token_life, Some(first)).await?;
        let events = Events::default();
        let codes = Arc::new(Codes::open(&store, &events, &keys).await?);
        let access = Access::new(&codes, &keys);
        let playback = Arc::new(Playback::open(&store, &events, &keys, folders.storage())?);
        let library = Arc::new(Library::new(&store, &events));
        let catalogue = Catalogue::open(&store, &events).await?;
        let workers = Workers::new(config.worker_sandbox);
        let check = workers.clone();
        tokio::task::spawn_blocking(move || check.check())
            .await?
            .context("start a worker")?;
        let extras = Extras::new(&store, &events, &folders, &playback, &workers);
        let egress = Egress {
            private: config.allow_private_sources,
            allow: config.source_networks.clone(),
        };
        let webhooks = Arc::new(Webhooks::new(
            &store,
            &events,
            &keys,
            egress.clone(),
            folders.token(),
        ));
        let recordings = Recordings::new(&store, &events, &folders, &config.zone, egress, &workers);
        let recordings = Arc::new(recordings);
        let sources = Sources::new(&store, &events, &recordings);
        let checks = Arc::new(Checks::new(&store, &events, &recordings, config.check_interval));
        let tasks = Tasks::new(&store, &events);
        let schedules = Arc::new(Schedules::new(&store, &events, &config.zone));
        let monitor = Arc::new(Monitor::new(folders.storage()));
        let jobs = Jobs::new(&store, &events, &folders, &workers, config.trash_life);
        let uploads = Uploads::new(&config, &store, &events, &folders, &jobs, &workers);
        let remover = Remover::new(&store, &events, &folders, &jobs, &playback);
        let retention = Arc::new(Retention::new(
            &store,
            &events,
            &remover,
            Disk::of(folders.storage()),
            config.min_free,
            stopping.clone(),
        ));
        Ok(Arc::new(Self {
            config,
            folders,
            media,
            store,
            events,
            auth,
            codes,
            access,
            playback,
            library,
            catalogue,
            extras,
            recordings,
            sources,
            checks,
            schedules,
            tasks,
            monitor,
            lines,
            stopping,
            jobs,
            uploads,
            webhooks,
            retention,
            remover,
            importing: tokio::sync::Mutex::default(),
            refused: Limiter::new("log", NonZeroU32::MIN, TOLD),
        }))
    }

    /// Starts what runs by itself, and serves until `stop` says so.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub(crate) async fn serve(self: Arc<Self>, started: impl FnOnce(SocketAddr)) -> Result<()> {
        let left = self.recordings.left_over().await?;
        let address = self.config.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))?;
        started(listener.local_addr()?);
        let limits = Limits {
            connections: self.config.max_connections,
            per_client: self.config.max_connections_per_client,
            proxies: self.config.trusted_proxies.clone(),
            headers: self.config.client_timeout.min(HEADERS),
            stalled: self.config.client_timeout,
            ..Limits::default()
        };
        let site = Arc::new(Site(http::router(Arc::clone(&self))));
        let checks = tokio::spawn(Arc::clone(&self.checks).run(self.stopping.clone()));
        let working = tokio::spawn(self.jobs.clone().run(WORKERS, self.stopping.clone()));
        let counting = tokio::spawn(count_views(Arc::clone(&self.library), self.stopping.clone()));
        let sweeping = tokio::spawn(self.uploads.clone().sweep(self.stopping.clone()));
        let trash = Trash::new(&self.store, &self.remover, self.config.trash_life);
        let emptying = tokio::spawn(trash.run(self.stopping.clone()));
        let keeping = tokio::spawn(keep_house(Arc::clone(&self)));
        let retention = Arc::clone(&self.retention);
        let retaining = tokio::spawn(async move { retention.keep().await });
        let resumed = tokio::spawn(Arc::clone(&self).resume(left));
        let tending = tokio::spawn(Arc::clone(&self.recordings).tend(self.stopping.clone()));
        let starter = Arc::new(Arc::clone(&self.recordings));
        let scheduled = tokio::spawn(Arc::clone(&self.schedules).run(starter, self.stopping.clone()));
        let watched = tokio::spawn(Arc::clone(&self.monitor).run(self.stopping.clone()));
        let served = tokio::spawn(listen::serve(listener, site, limits, self.stopping.clone()));
        let telling = tokio::spawn(Arc::clone(&self.webhooks).run(self.stopping.clone()));
        let space = webhooks::watch_storage(
            self.store.clone(),
            Arc::clone(&self.monitor),
            self.config.low_space,
            self.stopping.clone(),
        );
        let spacing = tokio::spawn(space);
        // Starting took more than running does.
        tokio::task::spawn_blocking(allocator::trim);
        let mut stopping = self.stopping.clone();
        // An error means that nobody can say it any more.
        let _ = stopping.wait_for(|stop| *stop).await;
        self.recordings.shut_down().await;
        checks.await?;
        watched.await?;
        scheduled.await?;
        resumed.await?;
        // What was being started when the end came.
        self.recordings.shut_down().await;
        tending.await?;
        served.await?;
        counting.await?;
        keeping.await?;
        emptying.await?;
        retaining.await?;
        working.await?;
        sweeping.await?;
        telling.await?;
        spacing.await?;
        self.store.close().await;
        Ok(())
    }
}

impl App {
    /// Goes on with what an earlier run left, and tells of media that no row names.
    async fn resume(self: Arc<Self>, left: Vec<Task>) {
        Arc::clone(&self.recordings).resume(left).await;
        match orphans::find(&self.store, &self.folders).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => tracing::warn!(
                "{} files in the storage folder have no row in the database, which may be older than they are. Nothing happens to them. \
                 POST /api/system/orphans/import makes items of them, and so does `mediastack fsck --import-orphans` while no server runs",
                found.len()
            ),
            Err(fault) => tracing::warn!("files without a row can't be looked for: {fault:?}"),
        }
    }
}

/// How often the log says that a network is refused.
const TOLD: Duration = Duration::from_secs(300);

/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(30);

/// How often accounts and codes are read again, because a command or another node may have changed them.
const HOUSE: Duration = Duration::from_secs(30);

/// How long the ledger of schedules goes back.
const LEDGER: Duration = Duration::from_secs(400 * 86_400);

/// How often it is written when sessions were last seen, and those that have expired are forgotten.
const MINUTE: Duration = Duration::from_secs(60);

/// Reads again what is kept in memory, writes what is kept only there, and forgets who has been quiet.
async fn keep_house(app: Arc<App>) {
    let mut stop = app.stopping.clone();
    let mut tick = tokio::time::interval(HOUSE);
    let mut minute = tokio::time::interval(MINUTE);
    tick.tick().await;
    minute.tick().await;
    loop {
        let stopping = tokio::select! {
            _ = tick.tick() => false,
            _ = minute.tick() => {
                tokio::task::spawn_blocking(allocator::trim);
                keep_sessions(&app).await;
                continue;
            }
            () = listen::told(&mut stop) => true,
        };
        if stopping {
            return keep_sessions(&app).await;
        }
        if let Err(fault) = app.auth.reload().await {
            tracing::warn!("accounts can't be read again: {fault:?}");
        }
        if let Err(fault) = app.codes.reload().await {
            tracing::warn!("viewing codes can't be read again: {fault:?}");
        }
        app.auth.forget();
        app.access.forget();
        if let Err(fault) = app.playback.forget_removed().await {
            tracing::warn!("removed files may stay open: {fault:?}");
        }
        app.refused.forget();
        if let Err(error) = app.store.forget_runs(Micros::now().before(LEDGER)).await {
            tracing::warn!("old runs can't be forgotten: {error}");
        }
    }
}

async fn keep_sessions(app: &App) {
    if let Err(fault) = app.auth.write_seen().await {
        tracing::warn!("when sessions were seen waits for the database: {fault:?}");
    }
    if let Err(fault) = app.auth.sweep().await {
        tracing::warn!("expired sessions stay: {fault:?}");
    }
}

/// Writes counted views once a second, and the last ones at the end.
async fn count_views(library: Arc<Library>, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        let over = tokio::select! {
            _ = tick.tick() => false,
            () = listen::told(&mut stop) => true,
        };
        if let Err(fault) = library.write_views().await {
            tracing::warn!("counted views wait for the database: {fault:?}");
        }
        if over {
            return;
        }
    }
}

/// Checks that the storage folder is the one that the database knows: with another disk in its place every video would seem lost.
pub(crate) async fn same_storage(store: &Store, folders: &Folders) -> Result<()> {
    const NAME: &str = "storage_id";
    match store.setting(NAME).await? {
        Some(known) => anyhow::ensure!(
            known == folders.token(),
            "{} is not the storage folder of this database: is its disk mounted? If it is meant to be another one now, \
             put the text {known} into its file .mediastack-storage",
            folders.storage().display()
        ),
        None => store.set_setting(NAME, folders.token()).await?,
    }
    Ok(())
}
