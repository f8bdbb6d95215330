//! Tests of devices; `VK_DRIVER_FILES` sets the driver of the software Vulkan device.

use super::*;

const NAMES: [&str; 8] = ["auto", "flex", "ndarray", "vulkan", "metal", "dx12", "wgpu", "cuda"];

fn message(text: &str) -> String {
    text.parse::<DeviceChoice>().unwrap_err().to_string()
}

/// A GPU whose largest buffer has this size.
pub(crate) fn test_device(max_buffer_bytes: u64) -> DeviceInfo {
    adapter(Some(max_buffer_bytes))
}

fn adapter(max_buffer_bytes: Option<u64>) -> DeviceInfo {
    DeviceInfo {
        name: "vulkan:0".to_owned(),
        adapter: Some("SwiftShader Device".to_owned()),
        driver: None,
        api: "vulkan".to_owned(),
        max_buffer_bytes,
        is_software: true,
        threads: None,
        kernel_language: None,
        matrix_units: Vec::new(),
    }
}

#[test]
fn printed_choices_parse_to_themselves() {
    for name in NAMES {
        let choice: DeviceChoice = name.parse().unwrap();
        assert_eq!(choice.to_string(), name);
        assert_eq!((choice.name(), choice.index()), (name, None));
    }
    for choice in CHOICES {
        let numbered = format!("{choice}:3");
        match choice {
            DeviceChoice::Flex | DeviceChoice::Ndarray => {
                assert!(numbered.parse::<DeviceChoice>().is_err());
            }
            _ => {
                let parsed: DeviceChoice = numbered.parse().unwrap();
                assert_eq!((parsed.to_string(), parsed.index()), (numbered, Some(3)));
            }
        }
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    for text in ["gpu", "gpu:0", "", "Vulkan"] {
        let message = message(text);
        assert!(message.starts_with("unknown device"), "{message}");
        for name in NAMES {
            assert!(message.contains(name), "{message}");
        }
    }
}

#[test]
fn only_numbers_follow_the_colon() {
    for text in ["vulkan:", "vulkan:x", "cuda:-1", "cuda:+1", "wgpu:1:2", "flex:0", "auto:0"] {
        let message = message(text);
        assert!(message.starts_with(&format!("device {text:?}: expected a number")), "{message}");
    }
}

#[test]
fn a_device_that_is_not_compiled_in_names_its_feature() {
    for choice in CHOICES {
        let name = choice.name();
        if compiled().contains(&name) {
            assert_ne!(open(choice).err(), Some(DeviceError::NotCompiled { name }));
            continue;
        }
        assert_eq!(open(choice).unwrap_err(), DeviceError::NotCompiled { name });
        assert!(found(choice).is_empty());
    }
    let message = DeviceError::NotCompiled { name: "vulkan" }.to_string();
    let expected = format!(
        "device vulkan is not compiled in (this build has: {}); add it with `cargo build \
         --release --features vulkan`",
        compiled().join(", ")
    );
    assert_eq!(message, expected);
}

#[test]
fn cpu_devices_open_and_are_listed() {
    for choice in [DeviceChoice::Flex, DeviceChoice::Ndarray] {
        if compiled().contains(&choice.name()) {
            let OpenDevice { device, info } = open(choice).unwrap();
            assert!(!device.is_autodiff());
            assert_eq!(info.api, "cpu");
            assert!(info.threads.unwrap() > 0 && !info.is_software);
            assert!(list().contains(&info));
        }
    }
}

#[test]
fn auto_never_takes_a_software_gpu() {
    match open(DeviceChoice::Auto) {
        Ok(opened) => assert!(!opened.info.is_software),
        Err(error) => assert_eq!(error, DeviceError::NothingForAuto),
    }
}

#[test]
fn auto_tells_once_why_it_does_not_take_a_gpu() {
    let refused = |device: &str| DeviceError::Driver {
        device: device.to_owned(),
        problem: "its driver has no extension".to_owned(),
    };
    let open = |choice| match choice {
        DeviceChoice::Vulkan(_) => Err(refused("vulkan:0")),
        DeviceChoice::Wgpu(_) => Err(refused("wgpu:0")),
        DeviceChoice::Flex => Err(DeviceError::NotCompiled { name: "flex" }),
        other => Ok(other),
    };
    let mut told = Vec::new();
    let mut skipped = |error: &DeviceError| told.push(error.to_string());
    let choices = [
        DeviceChoice::Vulkan(None),
        DeviceChoice::Wgpu(None),
        DeviceChoice::Flex,
        DeviceChoice::Ndarray,
    ];
    let opened = first_that_opens(choices.into_iter(), open, &mut skipped);
    assert_eq!(opened, Ok(DeviceChoice::Ndarray));
    let nothing = first_that_opens(choices.into_iter().take(3), open, &mut |_| {});
    assert_eq!(nothing, Err(DeviceError::NothingForAuto));
    assert_eq!(told, ["device vulkan:0 cannot be opened: its driver has no extension"]);
}

#[test]
fn a_table_larger_than_the_largest_buffer_is_an_error() {
    let (shape, bytes) = ([250_002, 768], 250_002 * 768 * 4);
    assert_eq!(check_embedding_matrix(&adapter(None), shape), Ok(()));
    assert_eq!(check_embedding_matrix(&adapter(Some(bytes)), shape), Ok(()));
    let error = check_embedding_matrix(&adapter(Some(128 << 20)), shape).unwrap_err();
    assert_eq!(
        error.to_string(),
        "embedding matrix of 250002 × 768 needs 768 MB, but the largest buffer of \"SwiftShader \
         Device\" is 134 MB; trim the vocabulary to the languages you need, or use --device flex"
    );
    let error = check_embedding_matrix(&adapter(Some(bytes - 1)), shape).unwrap_err();
    assert!(error.to_string().contains("needs 768006144 bytes"), "{error}");
}

#[test]
fn a_batch_is_as_large_as_a_buffer_allows() {
    // A text of 512 tokens in a feed-forward network of 3072 units; 21 of them have 132 MB.
    let item_bytes = 512 * 3072 * 4;
    assert_eq!(batch_size_within(&adapter(None), 32, item_bytes), 32);
    assert_eq!(batch_size_within(&adapter(Some(128 << 20)), 32, item_bytes), 21);
    assert_eq!(batch_size_within(&adapter(Some(1 << 30)), 32, item_bytes), 32);
    assert_eq!(batch_size_within(&adapter(Some(1 << 20)), 32, item_bytes), 1);
}

#[test]
fn a_software_vulkan_device_opens_once_and_computes() {
    if !compiled().contains(&"wgpu") || std::env::var_os("VK_DRIVER_FILES").is_none() {
        eprintln!("skipped: needs the feature wgpu and VK_DRIVER_FILES");
        return;
    }
    let OpenDevice { device, info } = open(DeviceChoice::Wgpu(Some(0))).unwrap();
    assert_eq!((info.name.as_str(), info.api.as_str()), ("wgpu:0", "vulkan"));
    assert!(info.is_software && info.adapter.is_some() && info.driver.is_some());
    assert!(["wgsl", "spirv"].contains(&info.kernel_language.unwrap()));
    assert!(info.max_buffer_bytes.unwrap() >= 1 << 27);
    let listed = list().into_iter().find(|listed| listed.name == info.name).unwrap();
    assert_eq!((&listed.adapter, listed.kernel_language), (&info.adapter, None));

    let again = open(DeviceChoice::Wgpu(None)).unwrap();
    assert_eq!((&again.device, &again.info), (&device, &info));
    let sum = burn::tensor::Tensor::<1>::from_floats([1.0, 2.0], &device) + 1.0;
    assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [2.0, 3.0]);

    let opened = OpenDevice { device, info: info.clone() };
    assert_eq!(opened.deterministic().is_err(), cfg!(feature = "tuning"));

    let error = open(DeviceChoice::Wgpu(Some(99))).unwrap_err().to_string();
    assert!(error.starts_with("device wgpu:99 does not exist; there are: wgpu:0 ("), "{error}");
}
