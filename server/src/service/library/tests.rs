use super::*;
use crate::store::tests::stores;
use crate::store::videos::NewVideo;

fn video(title: &str) -> NewVideo {
    NewVideo {
        task_id: None,
        category_id: None,
        title: title.to_owned(),
        description: None,
        file_name: format!("{title}.mp4"),
        file_size: Some(1),
        duration_us: Some(1_500_000),
        source_type: SourceType::Uploaded,
        file_type: FileType::Video,
        tracks: "[]".to_owned(),
        gaps: "[]".to_owned(),
        parts: Vec::new(),
    }
}

struct Shelf {
    library: Library,
    store: Store,
    events: Events,
}

impl Shelf {
    fn new(store: &Store) -> Self {
        let events = Events::default();
        Self {
            library: Library::new(store, &events),
            store: store.clone(),
            events,
        }
    }

    async fn add(&self, title: &str) -> i64 {
        let id = self.store.add_video(&video(title)).await.unwrap();
        self.events.tell(Event::VideoChanged { video_id: id });
        id
    }

    async fn titles(&self, filter: Filter, viewer: &Viewer) -> Vec<String> {
        let page = self.library.list(filter, viewer).await.unwrap();
        page.videos
            .iter()
            .map(|listed| listed.video.title.clone())
            .collect()
    }
}

fn filter() -> Filter {
    Filter {
        limit: 20,
        ..Filter::default()
    }
}

fn search(text: &str) -> Filter {
    Filter {
        search: Some(text.to_owned()),
        ..filter()
    }
}

#[tokio::test]
async fn lists_are_filtered_searched_and_paged() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store);
        let admin = Viewer::administrator();
        for title in [
            "Über Bienen",
            "100% Honig",
            "100 Honig",
            "早会 第一讲",
            "snake_case",
            "snakeXcase",
        ] {
            shelf.add(title).await;
        }
        assert_eq!(shelf.titles(search("bienen"), &admin).await, ["Über Bienen"]);
        assert_eq!(
            shelf.titles(search("0%"), &admin).await,
            ["100% Honig"],
            "a percent sign is one"
        );
        assert_eq!(shelf.titles(search("00% H"), &admin).await, ["100% Honig"]);
        assert_eq!(shelf.titles(search("e_c"), &admin).await, ["snake_case"]);
        assert_eq!(shelf.titles(search("第一"), &admin).await, ["早会 第一讲"]);
        assert_eq!(shelf.titles(search("会 第一讲"), &admin).await, ["早会 第一讲"]);
        assert_eq!(shelf.titles(search("\" OR title:"), &admin).await, [""; 0]);
        let page = Filter {
            skip: 4,
            limit: 1,
            ..filter()
        };
        assert_eq!(shelf.titles(page, &admin).await, ["100% Honig"]);
        assert_eq!(
            shelf
                .library
                .list(
                    Filter {
                        skip: 4,
                        limit: 1,
                        ..filter()
                    },
                    &admin
                )
                .await
                .unwrap()
                .total,
            6
        );
        let title = Filter {
            sort: Sort::Title,
            limit: 1,
            ..Filter::default()
        };
        assert_eq!(shelf.titles(title, &admin).await, ["100 Honig"]);
    }
}

#[tokio::test]
async fn visitors_see_what_is_published_and_changes_show_at_once() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store);
        let (admin, visitor) = (Viewer::administrator(), Viewer::default());
        let by = store.add_admin("a", "x").await.unwrap().id;
        let (one, two) = (shelf.add("one").await, shelf.add("two").await);
        assert_eq!(shelf.titles(filter(), &visitor).await, [""; 0]);
        assert!(matches!(
            shelf.library.one(one, &visitor).await,
            Err(Fault::Forbidden(_))
        ));
        let batch = shelf
            .library
            .review(&[one, two, 99, one], VideoStatus::Published, by)
            .await
            .unwrap();
        assert_eq!((batch.done, batch.failed), (vec![one, two], vec![99]));
        assert_eq!(shelf.titles(filter(), &visitor).await, ["two", "one"]);
        let tag = store.add_tag("t").await.unwrap().id;
        shelf.library.set_tags(&[one], &[tag]).await.unwrap();
        assert!(shelf.library.set_tags(&[one], &[tag, 77]).await.is_err());
        assert_eq!(
            shelf
                .titles(
                    Filter {
                        tag_ids: vec![tag],
                        ..filter()
                    },
                    &visitor
                )
                .await,
            ["one"]
        );
        shelf
            .library
            .change(one, Some("uno"), Some(Some("text")), Some(true))
            .await
            .unwrap();
        let changed = shelf.library.change(one, None, Some(None), None).await.unwrap();
        assert_eq!(
            (changed.video.title.as_str(), changed.video.description),
            ("uno", None)
        );
        shelf.library.bin(&[one], true).await.unwrap();
        assert_eq!(shelf.titles(filter(), &visitor).await, ["two"]);
        assert_eq!(
            shelf
                .titles(
                    Filter {
                        trash: true,
                        ..filter()
                    },
                    &admin
                )
                .await,
            ["uno"]
        );
        assert_eq!(
            shelf
                .titles(
                    Filter {
                        trash: true,
                        ..filter()
                    },
                    &visitor
                )
                .await,
            ["two"],
            "the trash is not theirs"
        );
        shelf.library.bin(&[one], false).await.unwrap();
        assert_eq!(shelf.titles(filter(), &visitor).await, ["two", "uno"]);
    }
}

#[tokio::test]
async fn every_view_counts_once_also_while_they_are_written() {
    for (store, _folder) in stores().await {
        let shelf = Arc::new(Shelf::new(&store));
        let id = shelf.add("film").await;
        store
            .review_videos(
                &[id],
                VideoStatus::Published,
                store.add_admin("a", "x").await.unwrap().id,
            )
            .await
            .unwrap();
        shelf.events.tell(Event::VideoChanged { video_id: id });
        let viewers = (0..8).map(|_| {
            let shelf = Arc::clone(&shelf);
            tokio::spawn(async move {
                for _ in 0..50 {
                    shelf.library.view(id, &Viewer::default()).await.unwrap();
                    shelf.library.write_views().await.unwrap();
                }
            })
        });
        for viewer in viewers.collect::<Vec<_>>() {
            viewer.await.unwrap();
        }
        shelf.library.write_views().await.unwrap();
        assert_eq!(store.video(id).await.unwrap().unwrap().view_count, 400);
        assert_eq!(shelf.library.view(id, &Viewer::default()).await.unwrap(), 401);
        assert!(shelf.library.view(99, &Viewer::default()).await.is_err());
    }
}
