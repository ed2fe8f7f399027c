import CKernels
import ModelGraph

extension Families {
  static let unique = OperatorDefinition(
    "Unique", types: "float, integers, bool, string",
    tensors: { settings in
      let axis = try settings.int("axis")
      let isSorted = try settings.flag("sorted", default: true)
      return { call in
        let given = try call.tensor(0)
        let tensor = axis == nil ? given.reshaped([given.count]) : given
        let axis = try resolvedAxis(axis ?? 0, rank: tensor.rank)
        let slices = try EqualSlices(tensor, axis: axis, isSorted: isSorted, call.context)
        let values = try slices.picked(tensor, axis: axis, call.context)
        return try [values] + slices.tables(call.context)
      }
    })
}

/// The slices along an axis, those that are equal taken together.
private struct EqualSlices {
  /// The first slice of each group, in the groups' order.
  private var firsts: [Int] = []
  private var counts: [Int] = []
  /// Each slice's group.
  private var groups: [Int]

  init(_ tensor: Tensor, axis: Int, isSorted: Bool, _ context: RunContext) throws {
    let extent = tensor.shape[axis]
    try context.checkRoom(.int64, [extent])
    groups = [Int](repeating: 0, count: extent)
    let order = try Self.sorted(tensor, axis: axis, context)
    for (position, slice) in order.places.enumerated() {
      if position == 0 || !order.areEqual(order.places[position - 1], slice) {
        firsts.append(slice)
        counts.append(0)
      }
      groups[slice] = firsts.count - 1
      counts[firsts.count - 1] += 1
    }
    if !isSorted { putInOrderOfAppearance() }
  }

  private struct Order {
    var places: [Int]
    let keys: UnsafeBufferPointer<UInt64>
    let length: Int

    func areEqual(_ left: Int, _ right: Int) -> Bool {
      for place in 0..<length where keys[left * length + place] != keys[right * length + place] {
        return false
      }
      return true
    }

    func precedes(_ left: Int, _ right: Int) -> Bool {
      for place in 0..<length {
        let (a, b) = (keys[left * length + place], keys[right * length + place])
        if a != b { return a < b }
      }
      return left < right
    }
  }

  /// The slices in ascending order, their elements compared one after the other.
  private static func sorted(
    _ tensor: Tensor, axis: Int, _ context: RunContext
  ) throws -> Order {
    let extent = tensor.shape[axis]
    let front = [axis] + tensor.shape.indices.filter { $0 != axis }
    let slices = try Families.transposed(tensor, front, context).converted(to: .rowMajor, context)
    let keys = try OrderKeys.of(context.pin(slices), context)
    let length = extent == 0 ? 0 : keys.count / extent
    var order = Order(places: Array(0..<extent), keys: keys, length: length)
    guard length == 1 else {
      order.places.sort(by: order.precedes)
      return order
    }
    let pairs = try context.pairs(2 * extent)
    for place in 0..<extent { pairs[place] = gs_pair(key: keys[place], place: UInt64(place)) }
    gs_sort_pairs(pairs, pairs + extent, extent)
    for place in 0..<extent { order.places[place] = Int(pairs[place].place) }
    return order
  }

  private mutating func putInOrderOfAppearance() {
    let order = firsts.indices.sorted { firsts[$0] < firsts[$1] }
    var renamed = [Int](repeating: 0, count: order.count)
    for (new, old) in order.enumerated() { renamed[old] = new }
    (firsts, counts) = (order.map { firsts[$0] }, order.map { counts[$0] })
    groups = groups.map { renamed[$0] }
  }

  /// One slice of each group.
  func picked(_ tensor: Tensor, axis: Int, _ context: RunContext) throws -> Tensor {
    var shape = tensor.shape
    shape[axis] = firsts.count
    let result = try context.allocate(tensor.elementType, shape)
    if result.count == 0 { return result }
    let (rows, inner) = Families.frame(of: tensor.shape, layout: .rowMajor, axis: axis)
    let run = inner * tensor.width
    let places = firsts.map { Int64($0) }
    for row in 0..<rows {
      gs_gather_rows(
        tensor.start + row * groups.count * run, places, places.count, run,
        result.target + row * places.count * run)
    }
    return result
  }

  /// The first places, each slice's group, and the groups' sizes.
  func tables(_ context: RunContext) throws -> [Tensor] {
    try [firsts, groups, counts].map { numbers in try context.integers(numbers.map { Int64($0) }) }
  }
}
