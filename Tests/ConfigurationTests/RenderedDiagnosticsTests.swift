import Support
import Testing

@testable import Configuration

/// What a person sees, word for word.
@Suite struct RenderedDiagnosticsTests {
  private func render(_ text: String) -> String {
    problems(of: text).map(DiagnosticRenderer.render).joined()
  }

  @Test func aMisspeltKeyIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_nun=4

      """#
    #expect(
      render(text) == #"""
        error[GS1007]: unknown key 'bit_nun' in [common_quant_param]
         --> quant.cfg:3:1
          |
        3 | bit_nun=4
          | ^^^^^^^ did you mean 'bit_num'?
          = help: gsconvert config --explain common_quant_param

        """#)
  }

  @Test func aKeyInAnotherCaseIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      \#tBit_Num=4

      """#
    #expect(
      render(text) == #"""
        error[GS1007]: unknown key 'Bit_Num' in [common_quant_param]
         --> quant.cfg:3:2
          |
        3 |  Bit_Num=4
          |  ^^^^^^^ is spelt 'bit_num'
          = help: gsconvert config --explain common_quant_param

        """#)
  }

  @Test func aKeyOfAnotherSectionIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bias_correction=true

      """#
    #expect(
      render(text) == #"""
        error[GS1007]: unknown key 'bias_correction' in [common_quant_param]
         --> quant.cfg:3:1
          |
        3 | bias_correction=true
          | ^^^^^^^^^^^^^^^ belongs in [weight_quant_param] or [full_quant_param]
          = help: gsconvert config --explain common_quant_param

        """#)
  }

  @Test func aMisspeltSectionIsShown() {
    let text = #"""
      [comon_quant_param]
      quant_type=WEIGHT_QUANT

      """#
    #expect(
      render(text) == #"""
        error[GS1006]: unknown section [comon_quant_param]
         --> quant.cfg:1:2
          |
        1 | [comon_quant_param]
          |  ^^^^^^^^^^^^^^^^^ did you mean [common_quant_param]?
          = help: gsconvert config --explain lists all sections

        """#)
  }

  @Test func aRepeatedKeyIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_num=8
      bit_num=4

      """#
    #expect(
      render(text) == #"""
        error[GS1008]: 'bit_num' is given twice in [common_quant_param]
         --> quant.cfg:4:1
          |
        4 | bit_num=4
          | ^^^^^^^ first given in line 3
          = help: keep one of them

        """#)
  }

  @Test func aMissingQuantTypeIsShown() {
    let text = #"""
      [common_quant_param]
      bit_num=8

      """#
    #expect(
      render(text) == #"""
        error[GS1009]: quant_type is missing: the file asks for no quantization
         --> quant.cfg:1:2
          |
        1 | [common_quant_param]
          |  ^^^^^^^^^^^^^^^^^^ quant_type belongs here
          = help: add quant_type=WEIGHT_QUANT to [common_quant_param]

        """#)
  }

  @Test func aMisspeltWordIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGTH_QUANT

      """#
    #expect(
      render(text) == #"""
        error[GS1010]: quant_type must be WEIGHT_QUANT, FULL_QUANT or DYNAMIC_QUANT, not 'WEIGTH_QUANT'
         --> quant.cfg:2:12
          |
        2 | quant_type=WEIGTH_QUANT
          |            ^^^^^^^^^^^^ did you mean 'WEIGHT_QUANT'?
          = help: gsconvert config --explain common_quant_param.quant_type

        """#)
  }

  @Test func aNumberOutOfRangeIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_num=17

      """#
    #expect(
      render(text) == #"""
        error[GS1011]: bit_num must be from 0 to 16, not 17
         --> quant.cfg:3:9
          |
        3 | bit_num=17
          |         ^^
          = help: gsconvert config --explain common_quant_param.bit_num

        """#)
  }

  @Test func aBooleanInOtherWordsIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      enable_encode=off

      """#
    #expect(
      render(text) == #"""
        error[GS1010]: enable_encode must be true or false, not 'off'
         --> quant.cfg:3:15
          |
        3 | enable_encode=off
          |               ^^^ write 'false'
          = help: gsconvert config --explain common_quant_param.enable_encode

        """#)
  }

  @Test func aBitWidthForAnotherTypeIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=DYNAMIC_QUANT
      bit_num=4

      """#
    #expect(
      render(text) == #"""
        error[GS1012]: bit_num must be 8 with quant_type=DYNAMIC_QUANT
         --> quant.cfg:3:9
          |
        3 | bit_num=4
          |         ^ use 8, or quant_type=WEIGHT_QUANT for 4 bits
          = help: gsconvert config --explain common_quant_param.bit_num

        """#)
  }

  @Test func aMalformedVectorIsShown() {
    let text = #"""
      [data_preprocess_param]
      normalize_mean=[127.5, x]
      [common_quant_param]
      quant_type=FULL_QUANT

      """#
    #expect(
      render(text) == #"""
        error[GS1009]: quantization from samples needs calibrate_path, calibrate_size and input_type
         --> quant.cfg:1:2
          |
        1 | [data_preprocess_param]
          |  ^^^^^^^^^^^^^^^^^^^^^
          = help: gsconvert config --explain data_preprocess_param
        error[GS1012]: normalize_mean needs normalize_std as well
         --> quant.cfg:2:16
          |
        2 | normalize_mean=[127.5, x]
          |                ^^^^^^^^^^ only with normalize_std
          = help: gsconvert config --explain data_preprocess_param.normalize_mean
        error[GS1010]: normalize_mean must be numbers in brackets such as [127.5, 127.5, 127.5]
         --> quant.cfg:2:24
          |
        2 | normalize_mean=[127.5, x]
          |                        ^ not a number
          = help: gsconvert config --explain data_preprocess_param.normalize_mean

        """#)
  }

  @Test func aLineWithoutEqualsIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_num 8

      """#
    #expect(
      render(text) == #"""
        error[GS1002]: the line is neither a section nor a key with a value
         --> quant.cfg:3:1
          |
        3 | bit_num 8
          | ^^^^^^^^^ expected key=value

        """#)
  }

  @Test func aSectionWithoutEffectIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      [dynamic_quant_param]
      quant_strategy=ACWL

      """#
    #expect(
      render(text) == #"""
        warning[GS1013]: [dynamic_quant_param] has no effect with quant_type=WEIGHT_QUANT and bit_num=8
         --> quant.cfg:3:2
          |
        3 | [dynamic_quant_param]
          |  ^^^^^^^^^^^^^^^^^^^

        """#)
  }

  @Test func aPlaceInAContinuedLineIsShown() {
    let text = #"""
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      debug_info_save_path=\
        /dev/null

      """#
    #expect(
      render(text) == #"""
        error[GS1014]: debug_info_save_path is not a directory
         --> quant.cfg:4:3
          |
        4 |   /dev/null
          |   ^^^^^^^^^ exists, but is a file
          = help: gsconvert config --explain common_quant_param.debug_info_save_path

        """#)
  }
}
