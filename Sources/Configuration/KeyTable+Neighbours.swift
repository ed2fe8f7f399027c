extension KeyTable {
  static let neighbourSections: [SectionEntry] = [
    SectionEntry(
      "ascend_context",
      "Ascend devices; heeded are provider, input_shape and dynamic_dims, the other keys are a device "
        + "compiler's.",
      keys: [
        Setting(
          "provider", .text, "The device's engine; `ge` is the graph engine. Files are the same."),
        Setting("input_shape", .shapes(.bracketed), "Input shapes; -1 is any extent."),
        Setting(
          "dynamic_dims", .text,
          "The extents that each -1 may take, such as [1~4],[8]: a bracket for each choice with an "
            + "extent for each -1, dynamic inputs separated by `;`."),
        Setting("input_format", .text, "Layout of the inputs."),
        Setting("output_type", .text, "Element type of the outputs."),
        Setting("precision_mode", .text, "Precision of the device's arithmetic."),
        Setting("device_id", .text, "Number of the device."),
        Setting("op_select_impl_mode", .text, "Choice between precise and fast operators."),
        Setting("buffer_optimize", .text, "Use of on-chip memory."),
        Setting("aoe_mode", .text, "Automatic tuning of the compiled model."),
        Setting("fusion_switch_config_file_path", .path, "File that switches fusions."),
        Setting("insert_op_config_file_path", .path, "File that adds preprocessing."),
        Setting("om_file_path", .path, "Where the compiled model is written."),
        Setting("dump_model_name", .text, "Name of a dumped model."),
        Setting("plugin_custom_ops", .text, "Custom operators to use."),
        Setting("custom_fusion_pattern", .text, "Custom fusions to use."),
        Setting("op_attrs", .text, "Attributes of custom operators."),
        Setting("inputs_to_variable", .text, "Inputs that become variables."),
        Setting("outputs_to_variable", .text, "Outputs that become variables."),
      ], acceptsOtherKeys: true),
    neighbour(
      "registry", "Plug-ins and fusions of the converter.",
      keys: [
        Setting(
          "plugin_path", .path, "Libraries with converter plug-ins; excludes quantization."),
        Setting("disable_fusion", .text, "Whether fusions are off."),
        Setting("fusion_blacklists", .text, "Fusions that are left out."),
      ]),
    neighbour("acl_option_cfg_param", "Compiling for Ascend devices, older style."),
    neighbour("acl_init_options", "Start options of the Ascend compiler."),
    neighbour("acl_build_options", "Build options of the Ascend compiler."),
    neighbour("aoe_", matchesPrefix: true, "Tuning by the Ascend optimization engine."),
    neighbour("micro_param", "Source code generation for microcontrollers."),
    neighbour("cpu_option_cfg_param", "Instruction sets of the target processor."),
    neighbour("graph_kernel_param", "Graph kernel fusion."),
    neighbour("om_converter_options", "Conversion of Ascend offline models."),
    neighbour("model_param", "Conversion of several models in one run."),
  ]

  static let goldenStickSections: [SectionEntry] = [
    goldenStick("ptq_param", "Golden Stick: post-training quantization of large models."),
    goldenStick("smooth_quant_param", "Golden Stick: SmoothQuant."),
    goldenStick("awq_param", "Golden Stick: activation-aware weight quantization."),
    goldenStick("osl_param", "Golden Stick: outlier suppression, lite."),
    goldenStick("gptq_param", "Golden Stick: GPTQ."),
    goldenStick(
      "layer_policy.", matchesPrefix: true, "Golden Stick: settings for some layers."),
    goldenStick("qat_param", "Golden Stick: results of quantization-aware training."),
    goldenStick("low_bit_detect_param", "Golden Stick: results of low-bit search."),
    goldenStick("pruner_param", "Golden Stick: removal of channels."),
    goldenStick("fa_quant_param", "Golden Stick: quantized attention."),
  ]

  private static func goldenStick(
    _ name: String, matchesPrefix: Bool = false, _ summary: String
  ) -> SectionEntry {
    SectionEntry(
      name, matchesPrefix: matchesPrefix, summary, acceptsOtherKeys: true,
      needs: "Golden Stick's algorithms")
  }
}
