use super::*;

fn written(files: usize) -> Written {
    Written {
        files: vec![(Duration::ZERO, Duration::from_secs(1)); files],
        dropped: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn what_a_worker_made_is_taken_under_its_own_names_and_no_link_is_followed() {
    let storage = tempfile::tempdir().unwrap();
    let output = storage.path().join("a.mp4");
    let folder = Folder::beside(&output).unwrap();
    let inside = folder.0.join("a.mp4");
    fs::write(storage.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(storage.path().join("secret"), &inside).unwrap();
    let refused = settle(&inside, &output, written(1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Malformed);
    assert!(!output.exists());
    fs::remove_file(&inside).unwrap();

    fs::write(&inside, "one").unwrap();
    assert!(
        settle(&inside, &output, written(2)).is_err(),
        "the second is not there"
    );
    fs::write(part_path(&inside, 2), "second").unwrap();
    fs::write(folder.0.join("more"), "x").unwrap();
    let made = settle(&inside, &output, written(2)).unwrap();
    assert_eq!((made.size(), made.length()), (9, Duration::from_secs(2)));
    assert_eq!(fs::read(&output).unwrap(), b"one");
    let list = Manifest::read(&made.manifest.unwrap()).unwrap();
    assert_eq!(list.parts[1].file, "a.part2.mp4");
    drop(folder);
    let left = fs::read_dir(storage.path()).unwrap().count();
    assert_eq!(left, 4, "two files, their list, and the secret");
    assert!(settle(&inside, &output, written(0)).is_err());
}

#[test]
fn what_is_no_picture_is_none() {
    let answer = |bytes: &[u8]| picture(Done::Picture(BASE64.encode(bytes)));
    assert!(answer(b"\xFF\xD8\xFF\xE0...").is_ok());
    assert_eq!(answer(b"<script>").unwrap_err().kind(), ErrorKind::Malformed);
    assert!(picture(Done::Picture("?".to_owned())).is_err());
    assert!(picture(Done::Nothing).is_err());
}
