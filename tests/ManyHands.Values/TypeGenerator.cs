using System.Globalization;
using System.Text;

namespace ManyHands.Values;

/// <summary>A type that values may be of: how C# calls it, and an expression that makes one with the <see cref="Dice"/> <c>d</c>.</summary>
/// <param name="Name">The type's name.</param>
/// <param name="Maker">The expression.</param>
/// <param name="MustTravel">Whether it is one of those that the library promises to take; of the others it may refuse some or all.</param>
/// <param name="IsValue">Whether it is a struct.</param>
/// <param name="IsKey">Whether it is equal by content that doesn't change.</param>
/// <param name="IsPlainBits">Whether any bits are such a value.</param>
internal sealed record TypeChoice(string Name, string Maker, bool MustTravel = true, bool IsValue = false, bool IsKey = false, bool IsPlainBits = false);

/// <summary>Invents types by chance: classes, records, structs and collections, of each other. Prints them as C#.</summary>
internal sealed class TypeGenerator(ulong seed)
{
    private static readonly TypeChoice[] Leaves =
    [
        .. Values("bool:Bool", "decimal:Decimal", "DateTime:DateTime", "DateTimeOffset:DateTimeOffset", "DateOnly:DateOnly", "TimeOnly:TimeOnly", "Rune:Rune", "Index:Index", "Range:Range", "BigInteger:BigInteger"),
        .. Values("byte:Byte", "sbyte:SByte", "short:Short", "ushort:UShort", "int:Int", "uint:UInt", "long:Long", "ulong:ULong", "char:Char", "double:Double", "float:Float", "Half:Half", "Guid:Guid",
            "TimeSpan:TimeSpan", "DayOfWeek:DayOfWeek", "Int128:Int128", "UInt128:UInt128", "Complex:Complex", "Vector3:Vector3").Select(static leaf => leaf with { IsPlainBits = true }),
        new("string", "d.Maybe(d.Text)", IsKey: false),
        new("string", "d.Text()", IsKey: true),
        new("Version", "d.Version()", IsKey: true),
        new("Uri", "d.Uri()", IsKey: true),
    ];

    private readonly Dice dice = new(seed);
    private readonly List<TypeChoice> made = [];
    private readonly StringBuilder source = new();

    /// <summary>All the types' source.</summary>
    public string Source => source.ToString();

    /// <summary>Invents one more.</summary>
    public TypeChoice Next()
    {
        int number = made.Count;
        TypeChoice type = dice.Below(24) switch
        {
            0 or 1 => PositionalRecord(number, "sealed record"),
            2 => PositionalRecord(number, dice.Pick("record struct", "readonly record struct")),
            3 or 4 => Properties(number, "get; set;"),
            5 => Properties(number, dice.Pick("get; init;", "required get; init;", "required get; set;")),
            6 => GetOnly(number),
            7 => StructOfFields(number),
            8 => Union(number),
            9 => InlineArray(number),
            10 => DerivedRecord(number),
            11 => DerivedClass(number),
            12 => Generic(number),
            13 => ListedUnion(number),
            14 => DerivedCollection(number),
            15 => Hiding(number),
            16 => ComputedProperty(number),
            17 => ConstructorThatChanges(number),
            18 => CasedNames(number),
            19 => Changeable(number),
            20 => DerivedBehindBase(number),
            21 => Recursive(number),
            _ => Collection(Composite(), Composite(), number),
        };
        made.Add(type);
        return type;
    }

    private static IEnumerable<TypeChoice> Values(params string[] pairs) =>
        pairs.Select(static pair => pair.Split(':')).Select(static parts => new TypeChoice(parts[0], $"d.{parts[1]}()", IsValue: true, IsKey: true));

    private TypeChoice Leaf() => Leaves[dice.Below(Leaves.Length)];

    private TypeChoice LeafWhere(Func<TypeChoice, bool> condition) => Array.FindAll(Leaves, leaf => condition(leaf)) is var fitting ? fitting[dice.Below(fitting.Length)] : throw new InvalidOperationException();

    // Of anything: some are types that were made before.
    private TypeChoice Composite()
    {
        int roll = dice.Below(100);
        if (roll < 45 || made.Count == 0)
            return Leaf();
        if (roll < 55)
            return LeafWhere(static leaf => leaf.IsValue) is var value ? new(value.Name + "?", $"d.Half<{value.Name}>(() => {value.Maker})", IsValue: true) : throw new InvalidOperationException();
        if (roll < 62)
            return Tuple();
        if (roll < 80)
            return Collection(Leaf(), Leaf(), made.Count);
        TypeChoice earlier = made[^(1 + dice.Below(Math.Min(made.Count, 12)))];
        return earlier.IsValue || dice.Chance(80) ? earlier : earlier with { Maker = $"d.Maybe<{earlier.Name}>(() => {earlier.Maker})", IsKey = false };
    }

    private TypeChoice Tuple()
    {
        TypeChoice[] parts = [.. Enumerable.Range(0, dice.Pick(2, 3, 7, 9)).Select(_ => Leaf())];
        return new($"({string.Join(", ", parts.Select(static part => part.Name))})", $"({string.Join(", ", parts.Select(static part => part.Maker))})", IsValue: true, IsKey: parts.All(static part => part.IsKey));
    }

    private TypeChoice Collection(TypeChoice item, TypeChoice other, int number)
    {
        // C# writes arrays of arrays the other way around.
        if (item.Name.EndsWith(']'))
            item = Leaf();
        string i = item.Name, many = $"d.Many<{i}>(() => {item.Maker})";
        TypeChoice key = item.IsKey ? item : LeafWhere(static leaf => leaf.IsKey);
        string k = key.Name, v = other.Name, some = $"d.Different<{k}>(() => {key.Maker})", pairs = $"d.Pairs<{k}, {v}>(() => {key.Maker}, () => {other.Maker})";
        // Sorted by every culture alike, or not by cultures.
        string s = dice.Pick("int", "long", "double", "Guid", "string"), sortMaker = s == "string" ? "d.Word()" : $"d.{char.ToUpperInvariant(s[0])}{s[1..]}()";
        string sorted = $"d.Different<{s}>(() => {sortMaker})", sortedPairs = $"d.Pairs<{s}, {v}>(() => {sortMaker}, () => {other.Maker})";
        string order = s == "string" && dice.Chance(50) ? dice.Pick("StringComparer.Ordinal", "StringComparer.OrdinalIgnoreCase") : "null";
        string numbers = "d.Different<int>(() => d.Int())";
        bool both = item.MustTravel && other.MustTravel;
        return dice.Below(46) switch
        {
            0 => new($"{i}[]", $"{many}.ToArray()", item.MustTravel),
            1 => new($"List<{i}>", many, item.MustTravel),
            2 => new($"{i}[][]", $"d.Many(() => {many}.ToArray()).ToArray()", item.MustTravel),
            3 => new($"{i}[,]", $"Gathering.Grid<{i}>(d, () => {item.Maker})", item.MustTravel),
            4 => new($"Queue<{i}>", $"new Queue<{i}>({many})", item.MustTravel),
            5 => new($"Stack<{i}>", $"new Stack<{i}>({many})", item.MustTravel),
            6 => new($"LinkedList<{i}>", $"new LinkedList<{i}>({many})", item.MustTravel),
            7 => new($"HashSet<{k}>", $"new HashSet<{k}>({some})", key.MustTravel),
            8 => new($"Dictionary<{k}, {v}>", $"new Dictionary<{k}, {v}>({pairs})", key.MustTravel && other.MustTravel),
            9 => new($"SortedSet<{s}>", $"new SortedSet<{s}>({sorted}, {order})"),
            10 => new($"SortedDictionary<{s}, {v}>", $"Gathering.Sorted<{s}, {v}>({sortedPairs}, {order})", other.MustTravel),
            11 => new($"SortedList<{s}, {v}>", $"new SortedList<{s}, {v}>(Gathering.Sorted<{s}, {v}>({sortedPairs}, {order}), {order})", other.MustTravel),
            12 => new($"OrderedDictionary<{k}, {v}>", $"new OrderedDictionary<{k}, {v}>({pairs})", key.MustTravel && other.MustTravel),
            13 => new($"ImmutableArray<{i}>", $"{many}.ToImmutableArray()", item.MustTravel, IsValue: true),
            14 => new($"ImmutableList<{i}>", $"{many}.ToImmutableList()", item.MustTravel),
            15 => new($"ImmutableHashSet<{k}>", $"{some}.ToImmutableHashSet()", key.MustTravel),
            16 => new($"ImmutableDictionary<{k}, {v}>", $"{pairs}.ToImmutableDictionary()", key.MustTravel && other.MustTravel),
            17 => new($"ImmutableSortedSet<{s}>", $"ImmutableSortedSet.CreateRange<{s}>({order}, {sorted})"),
            18 => new($"ImmutableSortedDictionary<{s}, {v}>", $"ImmutableSortedDictionary.CreateRange<{s}, {v}>({(order == "StringComparer.OrdinalIgnoreCase" ? "StringComparer.Ordinal" : order)}, {sortedPairs})", other.MustTravel),
            19 => new($"ImmutableQueue<{i}>", $"ImmutableQueue.CreateRange({many})", item.MustTravel),
            20 => new($"ImmutableStack<{i}>", $"ImmutableStack.CreateRange({many})", item.MustTravel),
            21 => new($"FrozenSet<{k}>", $"{some}.ToFrozenSet()", key.MustTravel),
            22 => new($"FrozenDictionary<{k}, {v}>", $"{pairs}.ToFrozenDictionary()", key.MustTravel && other.MustTravel),
            23 => new($"ConcurrentBag<{i}>", $"new ConcurrentBag<{i}>({many})", item.MustTravel),
            24 => new($"ConcurrentQueue<{i}>", $"new ConcurrentQueue<{i}>({many})", item.MustTravel),
            25 => new($"ConcurrentStack<{i}>", $"new ConcurrentStack<{i}>({many})", item.MustTravel),
            26 => new($"ConcurrentDictionary<{k}, {v}>", $"new ConcurrentDictionary<{k}, {v}>({pairs})", key.MustTravel && other.MustTravel),
            27 => new($"ReadOnlyCollection<{i}>", $"{many}.AsReadOnly()", item.MustTravel),
            28 => new($"ReadOnlyDictionary<{k}, {v}>", $"new Dictionary<{k}, {v}>({pairs}).AsReadOnly()", key.MustTravel && other.MustTravel),
            29 => new($"ObservableCollection<{i}>", $"new ObservableCollection<{i}>({many})", item.MustTravel),
            30 => new($"Memory<{i}>", $"{many}.ToArray().AsMemory()", item.MustTravel, IsValue: true),
            31 => new($"ReadOnlyMemory<{i}>", $"new ReadOnlyMemory<{i}>({many}.ToArray())", item.MustTravel, IsValue: true),
            32 => new($"KeyValuePair<{k}, {v}>", $"new KeyValuePair<{k}, {v}>({key.Maker}, {other.Maker})", key.MustTravel && other.MustTravel, IsValue: true),
            33 => new($"Tuple<{i}, {v}>", $"new Tuple<{i}, {v}>({item.Maker}, {other.Maker})", both),
            34 => new($"IEnumerable<{i}>", dice.Pick($"{many}", $"{many}.ToArray()", $"new Stack<{i}>({many})", $"new Dictionary<int, {i}>(d.Pairs<int, {i}>(() => d.Int(), () => {item.Maker})).Values"), item.MustTravel),
            35 => new($"IReadOnlyList<{i}>", dice.Pick($"{many}", $"{many}.ToImmutableArray()", $"new Collection<{i}>({many})"), item.MustTravel),
            36 => new($"IList<{i}>", dice.Pick($"{many}", $"{many}.ToArray()"), item.MustTravel),
            37 => new($"ISet<{k}>", $"new HashSet<{k}>({some})", key.MustTravel),
            38 => new($"IReadOnlyDictionary<{k}, {v}>", $"new Dictionary<{k}, {v}>({pairs})", key.MustTravel && other.MustTravel),
            39 => new("IReadOnlyCollection<int>", dice.Pick($"new SortedSet<int>({numbers})", $"new HashSet<int>({numbers})", $"new LinkedList<int>({numbers})", $"{numbers}.ToImmutableHashSet()")),
            40 => new("ISet<int>", $"d.Chance(50) ? new SortedSet<int>({numbers}) : new HashSet<int>({numbers})", MustTravel: false),
            41 => new("ICollection<int>", $"d.Chance(50) ? new SortedSet<int>({numbers}) : {numbers}", MustTravel: false),
            42 => new("IDictionary<int, string>", "d.Chance(50) ? new SortedDictionary<int, string>(new Dictionary<int, string>(d.Pairs<int, string>(() => d.Int(), () => d.Text()))) : new Dictionary<int, string>(d.Pairs<int, string>(() => d.Int(), () => d.Text()))", MustTravel: false),
            43 => new("HashSet<string>", "new HashSet<string>(d.Different<string>(() => d.Word()), d.Pick<StringComparer>(StringComparer.Ordinal, StringComparer.OrdinalIgnoreCase, null))"),
            44 => new("Dictionary<string, int>", "new Dictionary<string, int>(d.Pairs<string, int>(() => d.Word(), () => d.Int()), d.Pick<StringComparer>(StringComparer.Ordinal, StringComparer.InvariantCulture, StringComparer.OrdinalIgnoreCase))", MustTravel: false),
            _ => Thinned(k, some, key, number),
        };
    }

    // With holes where items were.
    private static TypeChoice Thinned(string k, string some, TypeChoice key, int number) => new($"HashSet<{k}>", $"Gathering.Thin<{k}>({some}, {number})", key.MustTravel);

    private (TypeChoice Type, string Name)[] Members(int most = 6)
    {
        (TypeChoice, string)[] members = new (TypeChoice, string)[1 + dice.Below(most)];
        for (int index = 0; index < members.Length; index++)
            members[index] = (Composite(), $"M{index}");
        return members;
    }

    private static bool AllTravel((TypeChoice Type, string Name)[] members) => members.All(static member => member.Type.MustTravel);

    private static string Parameters((TypeChoice Type, string Name)[] members, bool isCamelCase = false) =>
        string.Join(", ", members.Select(member => $"{member.Type.Name} {(isCamelCase ? Camel(member.Name) : member.Name)}"));

    private static string Arguments((TypeChoice Type, string Name)[] members) => string.Join(", ", members.Select(static member => member.Type.Maker));

    private static string Setters((TypeChoice Type, string Name)[] members) => string.Join(", ", members.Select(static member => $"{member.Name} = {member.Type.Maker}"));

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    private TypeChoice PositionalRecord(int number, string kind)
    {
        (TypeChoice Type, string Name)[] members = Members();
        source.AppendLine(CultureInfo.InvariantCulture, $"public {kind} T{number}({Parameters(members)});");
        return new($"T{number}", $"new T{number}({Arguments(members)})", AllTravel(members), IsValue: kind.Contains("struct", StringComparison.Ordinal), IsKey: members.All(static member => member.Type.IsKey));
    }

    private TypeChoice Properties(int number, string accessors)
    {
        (TypeChoice Type, string Name)[] members = Members();
        bool isRequired = accessors.StartsWith("required ", StringComparison.Ordinal);
        bool isStruct = dice.Chance(25);
        source.AppendLine(CultureInfo.InvariantCulture, $"public {(isStruct ? "struct" : "class")} T{number} {{");
        // What they begin with must not come back where they are default.
        foreach ((TypeChoice type, string name) in members)
            source.AppendLine(CultureInfo.InvariantCulture, $"  public {(isRequired ? "required " : "")}{type.Name} {name} {{ {accessors.Replace("required ", "", StringComparison.Ordinal)} }}{(type.Name is "int" or "long" or "double" && !isStruct ? " = 5;" : "")}");
        source.AppendLine("}");
        return new($"T{number}", $"new T{number} {{ {Setters(members)} }}", AllTravel(members), IsValue: isStruct);
    }

    private TypeChoice GetOnly(int number)
    {
        (TypeChoice Type, string Name)[] members = Members();
        bool isExplicit = dice.Chance(50);
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number}{(isExplicit ? "" : $"({Parameters(members, isCamelCase: true)})")} {{");
        foreach ((TypeChoice type, string name) in members)
            source.AppendLine(CultureInfo.InvariantCulture, $"  public {type.Name} {name} {{ get; {dice.Pick("", "private set; ", "set; ", "init; ")}}}{(isExplicit ? "" : $" = {Camel(name)};")}");
        if (isExplicit)
            source.AppendLine(CultureInfo.InvariantCulture, $"  public T{number}({Parameters(members, isCamelCase: true)}) {{ {string.Join(" ", members.Select(static member => $"{member.Name} = {Camel(member.Name)};"))} }}");
        source.AppendLine("}");
        return new($"T{number}", $"new T{number}({Arguments(members)})", AllTravel(members));
    }

    private TypeChoice StructOfFields(int number)
    {
        (TypeChoice Type, string Name)[] members = Members();
        string layout = dice.Pick("", "[StructLayout(LayoutKind.Sequential, Pack = 1)] ", "[StructLayout(LayoutKind.Auto)] ", "[StructLayout(LayoutKind.Sequential, Size = 256)] ");
        source.AppendLine(CultureInfo.InvariantCulture, $"{layout}public struct T{number} {{ {string.Join(" ", members.Select(static member => $"public {member.Type.Name} {member.Name};"))} }}");
        return new($"T{number}", $"new T{number} {{ {Setters(members)} }}", AllTravel(members), IsValue: true);
    }

    // Fields that share memory; one of them is set to any bits.
    private TypeChoice Union(int number)
    {
        string[] pool = ["bool", "byte", "char", "short", "int", "long", "float", "double", "int?", "byte?", "DateTime", "Guid", "decimal", "TimeSpan", "(byte, int)", "(bool, long)", "DateTimeOffset", "DayOfWeek"];
        string[] fields = [.. Enumerable.Range(0, 2 + dice.Below(3)).Select(_ => pool[dice.Below(pool.Length)])];
        string kind = dice.Chance(80) ? "struct" : "class";
        source.AppendLine(CultureInfo.InvariantCulture, $"[StructLayout(LayoutKind.Explicit)] public {kind} T{number} {{");
        for (int index = 0; index < fields.Length; index++)
            source.AppendLine(CultureInfo.InvariantCulture, $"  [FieldOffset({(dice.Chance(75) ? 0 : 8)})] public {fields[index]} F{index};");
        source.AppendLine("}");
        int chosen = Array.FindIndex(fields, static field => field is "long" or "int" or "byte" or "short" or "double" or "Guid");
        string maker = chosen < 0 ? $"new T{number}()" : $"new T{number} {{ F{chosen} = d.Raw<{fields[chosen]}>() }}";
        return new($"T{number}", maker, MustTravel: false, IsValue: kind == "struct");
    }

    private TypeChoice InlineArray(int number)
    {
        TypeChoice item = Composite();
        int length = 1 + dice.Below(5);
        source.AppendLine(CultureInfo.InvariantCulture, $"[InlineArray({length})] public struct T{number} {{ private {item.Name} item; public static T{number} Of(Func<{item.Name}> make) {{ T{number} all = default; for (int i = 0; i < {length}; i++) all[i] = make(); return all; }} }}");
        return new($"T{number}", $"T{number}.Of(() => {item.Maker})", item.MustTravel, IsValue: true);
    }

    private TypeChoice DerivedRecord(int number)
    {
        (TypeChoice Type, string Name)[] members = Members(4);
        TypeChoice own = Composite();
        source.AppendLine(CultureInfo.InvariantCulture, $"public record B{number}({Parameters(members)});");
        source.AppendLine(CultureInfo.InvariantCulture, $"public record T{number}({Parameters(members)}, {own.Name} Own) : B{number}({string.Join(", ", members.Select(static member => member.Name))});");
        return new($"T{number}", $"new T{number}({Arguments(members)}, {own.Maker})", AllTravel(members) && own.MustTravel);
    }

    private TypeChoice DerivedClass(int number)
    {
        (TypeChoice Type, string Name)[] members = Members(4);
        TypeChoice own = Composite();
        // A member hidden by one of the same name can't be told from it.
        bool isHiding = dice.Chance(30);
        string name = isHiding ? "M0" : "Own";
        source.AppendLine(CultureInfo.InvariantCulture, $"public {(isHiding ? "" : "abstract ")}class B{number} {{ {string.Join(" ", members.Select(static member => $"public {member.Type.Name} {member.Name} {{ get; set; }}"))} }}");
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} : B{number} {{ public {(isHiding ? "new " : "")}{own.Name} {name} {{ get; set; }} }}");
        string setters = isHiding ? $"M0 = {own.Maker}" : $"{Setters(members)}, Own = {own.Maker}";
        return new($"T{number}", $"new T{number} {{ {setters} }}", !isHiding && AllTravel(members) && own.MustTravel);
    }

    private TypeChoice Generic(int number)
    {
        TypeChoice one = Composite(), other = Composite();
        source.AppendLine(CultureInfo.InvariantCulture, $"public record T{number}<TOne, TOther>(TOne One, List<TOther> Others, Dictionary<int, TOne> Map) {{ public struct Inner {{ public TOne A; public TOther B; }} public Inner In {{ get; set; }} }}");
        string name = $"T{number}<{one.Name}, {other.Name}>";
        string maker = $"new {name}({one.Maker}, d.Many<{other.Name}>(() => {other.Maker}), new Dictionary<int, {one.Name}>(d.Pairs<int, {one.Name}>(() => d.Int(), () => {one.Maker}))) {{ In = new {name}.Inner {{ A = {one.Maker}, B = {other.Maker} }} }}";
        return new(name, maker, one.MustTravel && other.MustTravel);
    }

    private TypeChoice ListedUnion(int number)
    {
        (TypeChoice Type, string Name)[] first = Members(3), second = Members(3);
        string kind = dice.Pick("abstract record", "record");
        source.AppendLine(CultureInfo.InvariantCulture, $"[DerivedTypeShape(typeof(T{number}A))] [DerivedTypeShape(typeof(T{number}B))] public {kind} T{number};");
        source.AppendLine(CultureInfo.InvariantCulture, $"public record T{number}A({Parameters(first)}) : T{number}; public record T{number}B({Parameters(second)}) : T{number};");
        return new($"T{number}", $"(d.Chance(50) ? (T{number})new T{number}A({Arguments(first)}) : new T{number}B({Arguments(second)}))", AllTravel(first) && AllTravel(second));
    }

    private TypeChoice DerivedCollection(int number)
    {
        TypeChoice item = Leaf();
        string members = dice.Pick("", "public int Total { get; set; }", $"public T{number}() {{ }} public T{number}(IEnumerable<{item.Name}> items) : base(items) {{ }}");
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} : List<{item.Name}> {{ {members} }}");
        string maker = $"Gathering.Fill<T{number}, {item.Name}>(new T{number}(), d.Many<{item.Name}>(() => {item.Maker}))";
        return dice.Chance(50)
            ? new($"T{number}", maker, MustTravel: false)
            : new(dice.Pick($"IReadOnlyList<{item.Name}>", $"IEnumerable<{item.Name}>", $"IList<{item.Name}>", $"List<{item.Name}>"), maker, MustTravel: false);
    }

    private TypeChoice Hiding(int number)
    {
        TypeChoice hidden = Leaf(), shown = Leaf();
        string member = dice.Pick($"private {hidden.Name} hidden;", $"internal {hidden.Name} hidden;", $"protected {hidden.Name} hidden;");
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} {{ {member} public {shown.Name} Shown {{ get; set; }} public static T{number} Of({hidden.Name} hidden, {shown.Name} shown) => new() {{ hidden = hidden, Shown = shown }}; }}");
        return new($"T{number}", $"T{number}.Of({hidden.Maker}, {shown.Maker})", MustTravel: false);
    }

    private TypeChoice ComputedProperty(int number)
    {
        string body = dice.Pick(
            "public double A { get => Math.Floor(field); set; } public int B { get; set; }",
            "public string A { get => field?.Trim(); set; } public int B { get; set; }",
            "public string A { get; set => field = value?.ToUpperInvariant(); } = \"as it was\"; public int B { get; set; }",
            "public double A { get; set => field = value + 0.0; } = -0.0; public int B { get; set; }",
            "public int A { get; set => field = Math.Abs(value % 1000); } public int B { get => field; set => field = value + 1; }",
            "public int A { get; set { field = value; B = value; } } public int B { get; set; }",
            "public int A { get; set; } public int B { get; set => field = Math.Max(value, A); } public int Sum => A + B;");
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} {{ {body} public HashSet<int> Beside {{ get; set; }} = [1, 2]; }}");
        string text = body.Contains("string A", StringComparison.Ordinal) ? "\" x\" + d.Text()" : "d.Int() / 8";
        return new($"T{number}", $"Gathering.Change(d, new T{number}(), it => it.A = {text}, it => it.B = d.Int() / 8)", MustTravel: false);
    }

    private TypeChoice ConstructorThatChanges(int number)
    {
        TypeChoice same = Leaf();
        string body = dice.Pick("A = b; B = a;", "A = a; B = a;", "A = a; B = default;", "if (d < 50) { A = a; B = b; } else { A = b; B = a; } ");
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} {{ public {same.Name} A {{ get; }} public {same.Name} B {{ get; }} public int D {{ get; }} public T{number}({same.Name} a, {same.Name} b, int d) {{ {body} D = d; }} }}");
        return new(dice.Pick($"T{number}"), $"new T{number}({same.Maker}, {same.Maker}, d.Below(100))", MustTravel: false);
    }

    private TypeChoice CasedNames(int number)
    {
        TypeChoice type = Leaf();
        string t = type.Name;
        string body = dice.Pick(
            $"(  {t} id) {{ public {t} ID {{ get; }} = id; public {t} Id {{ get; set; }} }}",
            $"(  {t} id) {{ public {t} Id {{ get; set; }} public {t} ID {{ get; }} = id; }}",
            $"(  {t} id) {{ public {t} Id {{ get; }} = id; public {t} ID {{ get; set; }} }}",
            $"(  {t} ID) {{ public {t} Id {{ get; set; }} public {t} ID {{ get; }} = ID; }}",
            $"(  {t} value) {{ public {t} value = value; public {t} Value {{ get; set; }} }}");
        string other = body.Contains("public " + t + " Value", StringComparison.Ordinal) ? "Value" : body.Contains("Id { get; set", StringComparison.Ordinal) ? "Id" : "ID";
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number}{body}");
        return new($"T{number}", $"new T{number}({type.Maker}) {{ {other} = {type.Maker} }}", MustTravel: false);
    }

    // Keys that were changed since they were added, or are equal to nothing but themselves.
    private TypeChoice Changeable(int number)
    {
        bool isEqualByValue = dice.Chance(60);
        string equality = isEqualByValue ? $"public override bool Equals(object other) => other is K{number} k && k.Value == Value; public override int GetHashCode() => Value;" : "";
        source.AppendLine(CultureInfo.InvariantCulture, $"public class K{number} : IComparable<K{number}> {{ public int Value {{ get; set; }} public int CompareTo(K{number} other) => Value.CompareTo(other.Value); {equality} }}");
        string items = $"Gathering.Changed<K{number}, C>(d, d.Different(() => d.Below(5)).ConvertAll(n => new K{number} {{ Value = n }}), items => ITEMS, k => k.Value = d.Below(5))";
        (string name, string collection) = dice.Below(5) switch
        {
            0 => ($"HashSet<K{number}>", $"new HashSet<K{number}>(items)"),
            1 => ($"SortedSet<K{number}>", $"new SortedSet<K{number}>(items)"),
            2 => ($"Dictionary<K{number}, int>", $"new Dictionary<K{number}, int>(items.ConvertAll(k => KeyValuePair.Create(k, 1)))"),
            3 => ($"ISet<K{number}>", $"new HashSet<K{number}>(items)"),
            _ => ($"SortedDictionary<K{number}, int>", $"new SortedDictionary<K{number}, int>(new Dictionary<K{number}, int>(items.ConvertAll(k => KeyValuePair.Create(k, 1))))"),
        };
        return new(name, items.Replace(", C>", $", {name}>", StringComparison.Ordinal).Replace("ITEMS", collection, StringComparison.Ordinal), MustTravel: false);
    }

    private TypeChoice DerivedBehindBase(int number)
    {
        source.AppendLine(CultureInfo.InvariantCulture, $"public class T{number} {{ public int A {{ get; set; }} }} public class D{number} : T{number} {{ public int B {{ get; set; }} }}");
        string one = $"(d.Chance(50) ? new T{number} {{ A = d.Int() }} : new D{number} {{ A = d.Int(), B = d.Int() }})";
        return dice.Below(4) switch
        {
            0 => new($"T{number}", one, MustTravel: false),
            1 => new($"List<T{number}>", $"d.Many<T{number}>(() => {one})", MustTravel: false),
            2 => new($"T{number}[]", $"(d.Chance(50) ? d.Many<D{number}>(() => new D{number} {{ B = d.Int() }}).ToArray() : d.Many<T{number}>(() => {one}).ToArray())", MustTravel: false),
            _ => new($"IReadOnlyList<T{number}>", $"(IReadOnlyList<T{number}>)d.Many<D{number}>(() => new D{number} {{ B = d.Int() }})", MustTravel: false),
        };
    }

    private TypeChoice Recursive(int number)
    {
        TypeChoice content = Leaf();
        source.AppendLine(CultureInfo.InvariantCulture, $"public record T{number}({content.Name} Content, List<T{number}> Below, T{number} Next) {{ public static T{number} Grow(Dice d) => new({content.Maker}, d.Many(() => Grow(d)), d.Maybe(() => d.Chance(50) ? Grow(d) : null)); }}");
        return new($"T{number}", $"T{number}.Grow(d)", content.MustTravel);
    }
}
