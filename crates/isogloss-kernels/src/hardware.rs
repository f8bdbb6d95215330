//! Hardware of a GPU, by which kernels are chosen: the language they are compiled to, matrix units
//! and limits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::Device;

/// Language that kernels are compiled to on a device: `wgsl`, `spirv` (Vulkan), `msl` (Metal) or
/// `cuda`; `None` on the CPU.
///
/// Only SPIR-V, MSL and CUDA reach matrix units. SPIR-V needs Vulkan's memory model and buffer
/// addresses; on a driver without them, kernels are WGSL also in a build with `vulkan`.
pub fn kernel_language(device: &Device) -> Option<&'static str> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return reported::language(device);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        _ = device;
        None
    }
}

/// Matrix units of a GPU (cooperative matrices, simdgroup matrices, tensor cores): the types of the
/// operands that kernels can multiply in them, in lower case; none on the CPU.
pub fn matrix_units(device: &Device) -> Vec<String> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return reported::matrix_units(device);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        _ = device;
        Vec::new()
    }
}

/// Hardware limits of a GPU by name, as its driver reports them: sizes of subgroups (planes) and
/// workgroups (cubes), shared memory, bindings. There are none on the CPU.
pub fn hardware_limits(device: &Device) -> BTreeMap<&'static str, u64> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return reported::limits(device);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        _ = device;
        BTreeMap::new()
    }
}

/// Whether attention computes the scores of a whole batch at once, as one tensor
/// `[batch, n_heads, seq, seq]`, for heads of this width: on a GPU whose kernels do not take them,
/// because the width is no multiple of four or because they bind more buffers than it has. Those of
/// training bind more than those of inference.
///
/// `false` on the CPU, where no buffer has a limit.
pub fn attention_stores_scores(device: &Device, head_width: usize, is_training: bool) -> bool {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return reported::probe(device)
        .is_some_and(|probe| !crate::attention::cube::takes(&probe, head_width, is_training));
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        _ = (device, head_width, is_training);
        false
    }
}

/// Tuning cache (autotune): the file that keeps which kernel of a matrix product or sum is the
/// fastest for a shape, for every process of a user; `None` in a build that tunes nothing.
///
/// It is `target/environment/default.db` of the outermost Cargo package around the working folder,
/// else `cubecl/default.db` in the user's cache folder. Without it, kernels are tuned anew.
pub fn tuning_cache() -> Option<PathBuf> {
    #[cfg(all(feature = "tuning", any(feature = "wgpu", feature = "cuda")))]
    return Some(burn_cubecl::cubecl::environment::path());
    #[cfg(not(all(feature = "tuning", any(feature = "wgpu", feature = "cuda"))))]
    None
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod reported {
    use std::collections::{BTreeMap, BTreeSet};

    use burn::tensor::{Device, Tensor};
    use burn_cubecl::CubeBackend;
    use burn_cubecl::tensor::CubeTensor;

    use crate::backends::Wrapped as _;

    /// A tensor on a device, whose client knows the hardware; `None` on the CPU.
    pub(super) fn probe(device: &Device) -> Option<CubeTensor> {
        let tensor = Tensor::<1>::empty([1], &device.clone().without_autodiff()).into_dispatch();
        Some(CubeBackend::unwrap(tensor.kind)?.float())
    }

    pub(super) fn language(device: &Device) -> Option<&'static str> {
        let runtime = probe(device)?.client.name();
        let in_brackets = runtime.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
        Some(in_brackets.unwrap_or(runtime))
    }

    pub(super) fn matrix_units(device: &Device) -> Vec<String> {
        let Some(tensor) = probe(device) else { return Vec::new() };
        let features = &tensor.client.properties().features.matmul;
        let units = features.cmma.iter().chain(&features.mma);
        let types: BTreeSet<_> = units.map(|unit| unit.a_type.to_string().to_lowercase()).collect();
        types.into_iter().collect()
    }

    pub(super) fn limits(device: &Device) -> BTreeMap<&'static str, u64> {
        let Some(tensor) = probe(device) else { return BTreeMap::new() };
        let hardware = &tensor.client.properties().hardware;
        let known = [
            ("subgroup_size_min", u64::from(hardware.plane_size_min)),
            ("subgroup_size_max", u64::from(hardware.plane_size_max)),
            ("max_workgroup_units", u64::from(hardware.max_units_per_cube)),
            ("max_shared_memory_bytes", hardware.max_shared_memory_size as u64),
            ("max_bindings", u64::from(hardware.max_bindings)),
            ("max_vector_elements", hardware.max_vector_size as u64),
            ("max_page_bytes", tensor.client.properties().memory.max_page_size),
        ];
        let optional = [
            ("multiprocessors", hardware.num_streaming_multiprocessors.map(u64::from)),
            ("last_level_cache_bytes", hardware.last_level_cache_size.map(|bytes| bytes as u64)),
            ("smallest_matrix_unit", hardware.min_tensor_cores_dim.map(u64::from)),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.into_iter().chain(optional).collect()
    }
}
