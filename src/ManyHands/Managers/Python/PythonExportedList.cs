namespace ManyHands.Managers;

/// <summary>A list, as <c>list</c> has it. Each call is one turn of the list's gate, those that compare items too.</summary>
internal sealed class PythonExportedList(HostedList list, string typeId, string ident) : PythonExport(list, typeId, ident)
{
    // __imul__ and __iadd__ are the proxies' own: a client's proxy without a class for lists would take the result for the list.
    private static readonly string[] Methods =
    [
        "__add__", "__contains__", "__delitem__", "__getitem__", "__iter__", "__len__", "__mul__", "__reversed__", "__rmul__", "__setitem__", "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
        "sort",
    ];

    public override IReadOnlyList<string> Exposed => Methods;

    public override bool Has(string method) => method == "__imul__" || base.Has(method);

    public override Task<object?> CallAsync(PythonSession session, PythonArguments arguments) => Task.FromResult(Call(session, arguments));

    public override Task<object?> ValueAsync(PythonSession session) => Task.FromResult<object?>(Decoded(list.Snapshot()));

    private object? Call(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "__len__":
                arguments.None();
                return list.Count;
            case "__getitem__":
                return Get(arguments.Bind(1, "index")[0]);
            case "__setitem__":
                object?[] set = arguments.Bind(2, "index", "value");
                Set(set[0], set[1]);
                return null;
            case "__delitem__":
                Delete(arguments.Bind(1, "index")[0]);
                return null;
            case "__contains__":
                return IndexOf(list.Snapshot(), arguments.Bind(1, "value")[0]) >= 0;
            case "__iter__":
                arguments.None();
                return new PythonIterator(Decoded(list.Snapshot()));
            case "__reversed__":
                arguments.None();
                return new PythonIterator(Decoded(list.Snapshot().AsEnumerable().Reverse()));
            case "__add__":
                return Added(arguments.Bind(1, "value")[0]);
            case "__mul__" or "__rmul__":
                return Decoded(Repeated(list.Snapshot(), arguments.Integer(arguments.Bind(1, "value")[0], "value")));
            case "__imul__":
                long times = arguments.Integer(arguments.Bind(1, "value")[0], "value");
                Change(items => [.. Repeated(items, times)]);
                return null;
            case "append":
                Splice(items => (items.Count, 0), Encoded(arguments.Bind(1, "object")[0], "item"));
                return null;
            case "extend":
                Splice(items => (items.Count, 0), EncodedAll(arguments.Bind(1, "iterable")[0]));
                return null;
            case "insert":
                object?[] insert = arguments.Bind(2, "index", "object");
                Insert(arguments.Integer(insert[0], "index"), Encoded(insert[1], "item"));
                return null;
            case "pop":
                object? place = arguments.Bind(0, "index")[0];
                return Pop(session, place == PythonArguments.Missing ? -1 : arguments.Integer(place, "index"));
            case "remove":
                Remove(arguments.Bind(1, "value")[0]);
                return null;
            case "clear":
                arguments.None();
                Change(_ => []);
                return null;
            case "copy":
                arguments.None();
                return Decoded(list.Snapshot());
            case "count":
                object? counted = arguments.Bind(1, "value")[0];
                return (long)list.Snapshot().Count(item => PythonEquality.Same(Item(item), counted));
            case "index":
                object?[] bounds = arguments.Bind(1, "value", "start", "stop");
                return IndexOf(bounds[0], Bound(arguments, bounds[1], 0), Bound(arguments, bounds[2], long.MaxValue));
            case "reverse":
                arguments.None();
                Change(items => [.. items.Reverse()]);
                return null;
            case "sort":
                Sort(arguments.Names("key", "reverse"));
                return null;
            default:
                throw Hidden(arguments);
        }
    }

    // ---- items ----

    private object? Item(byte[] block) => Hosted.Items!.Read(block);

    private PythonList Decoded(IEnumerable<byte[]> blocks)
    {
        PythonList decoded = [];
        foreach (byte[] block in blocks)
            decoded.Append(Item(block));
        return decoded;
    }

    private byte[] Encoded(object? value, string name) => Block(value, name)[sizeof(int)..].ToArray();

    private byte[][] EncodedAll(object? values) => [.. PythonArguments.Items(values).Select(value => Encoded(value, "item"))];

    private void Change(Func<IReadOnlyList<byte[]>, List<byte[]>?> change) => Fits(list.Change(change));

    // Puts items in the place of others.
    private void Splice(Func<IReadOnlyList<byte[]>, (int Start, int Count)> where, params byte[][] put) => Fits(list.Splice(where, put));

    private static void Fits(string? noRoom)
    {
        if (noRoom is not null)
            throw PythonRaisedException.Builtin("MemoryError", noRoom);
    }

    // ---- by place ----

    private object? Get(object? index) => index is PythonSlice slice
        ? Decoded(list.Look(items => Places(slice, items.Count).Select(place => items[place]).ToArray()))
        : Item(list.Look(items => items[Place(index, items.Count, "list index out of range")]));

    private void Set(object? index, object? value)
    {
        if (index is not PythonSlice slice)
        {
            Splice(items => (Place(index, items.Count, "list assignment index out of range"), 1), Encoded(value, "item"));
            return;
        }

        byte[][] put = EncodedAll(value);
        if (slice.Step is null or 1L)
        {
            Splice(items => Bounds(slice, items.Count) is var (start, stop, _) ? (start, Math.Max(0, stop - start)) : default, put);
            return;
        }

        Change(items =>
        {
            int[] places = [.. Places(slice, items.Count)];
            if (places.Length != put.Length)
                throw PythonRaisedException.Builtin("ValueError", $"attempt to assign sequence of size {put.Length} to extended slice of size {places.Length}");
            List<byte[]> changed = [.. items];
            for (int i = 0; i < places.Length; i++)
                changed[places[i]] = put[i];
            return changed;
        });
    }

    private void Delete(object? index)
    {
        if (index is not PythonSlice slice)
        {
            Splice(items => (Place(index, items.Count, "list assignment index out of range"), 1));
            return;
        }

        Change(items =>
        {
            HashSet<int> gone = [.. Places(slice, items.Count)];
            return [.. items.Where((_, place) => !gone.Contains(place))];
        });
    }

    private void Insert(long index, byte[] item) => Splice(items => ((int)Math.Clamp(index < 0 ? index + items.Count : index, 0, items.Count), 0), item);

    private object Pop(PythonSession session, long index)
    {
        Splice(items =>
        {
            if (items.Count == 0)
                throw PythonRaisedException.Builtin("IndexError", "pop from empty list");
            int place = Place(index, items.Count, "pop index out of range");
            byte[] popped = items[place];
            session.WriteTaken(list, () => Item(popped));
            return (place, 1);
        });
        return PythonSession.Written;
    }

    private static int Place(object? index, int count, string outOfRange)
    {
        long place = index switch
        {
            long number => number,
            bool truth => truth ? 1 : 0,
            System.Numerics.BigInteger => throw PythonRaisedException.Builtin("IndexError", "cannot fit 'int' into an index-sized integer"),
            _ => throw PythonRaisedException.Builtin("TypeError", $"list indices must be integers or slices, not {PythonText.TypeOf(index)}"),
        };
        if (place < 0)
            place += count;
        return place >= 0 && place < count ? (int)place : throw PythonRaisedException.Builtin("IndexError", outOfRange);
    }

    // As slice.indices() has them.
    private static (int Start, int Stop, int Step) Bounds(PythonSlice slice, int count)
    {
        long step = Number(slice.Step) ?? 1;
        if (step == 0)
            throw PythonRaisedException.Builtin("ValueError", "slice step cannot be zero");
        step = Math.Clamp(step, -int.MaxValue, int.MaxValue);
        int lowest = step < 0 ? -1 : 0;
        int highest = step < 0 ? count - 1 : count;
        return (Limited(slice.Start, step < 0 ? highest : lowest), Limited(slice.Stop, step < 0 ? lowest : highest), (int)step);

        int Limited(object? bound, int missing)
        {
            if (Number(bound) is not { } number)
                return missing;
            return (int)Math.Clamp(number < 0 ? number + count : number, lowest, highest);
        }

        static long? Number(object? bound) => bound switch
        {
            null => null,
            long number => number,
            bool truth => truth ? 1 : 0,
            System.Numerics.BigInteger large => large.Sign < 0 ? -int.MaxValue - 1L : int.MaxValue,
            _ => throw PythonRaisedException.Builtin("TypeError", "slice indices must be integers or None or have an __index__ method"),
        };
    }

    private static IEnumerable<int> Places(PythonSlice slice, int count)
    {
        (int start, int stop, int step) = Bounds(slice, count);
        for (long place = start; step > 0 ? place < stop : place > stop; place += step)
            yield return (int)place;
    }

    private static IEnumerable<byte[]> Repeated(IReadOnlyList<byte[]> items, long times)
    {
        if (times * (double)items.Count > PythonArguments.MostItems)
            throw PythonRaisedException.Builtin("MemoryError", $"a list has at most {PythonArguments.MostItems:N0} items here");
        for (long i = 0; i < times; i++)
        {
            foreach (byte[] item in items)
                yield return item;
        }
    }

    // ---- by value ----

    private PythonList Added(object? other)
    {
        if (other is not List<object?> added)
            throw PythonRaisedException.Builtin("TypeError", $"can only concatenate list (not \"{PythonText.TypeOf(other)}\") to list");
        PythonList sum = Decoded(list.Snapshot());
        foreach (object? item in added)
            sum.Append(item);
        return sum;
    }

    private int IndexOf(IReadOnlyList<byte[]> items, object? value, int from = 0, int to = int.MaxValue)
    {
        for (int place = from; place < items.Count && place < to; place++)
        {
            if (PythonEquality.Same(Item(items[place]), value))
                return place;
        }

        return -1;
    }

    private long IndexOf(object? value, long start, long stop)
    {
        byte[][] items = list.Snapshot();
        int place = IndexOf(items, value, Clamped(start), Clamped(stop));
        return place >= 0 ? place : throw PythonRaisedException.Builtin("ValueError", $"{PythonText.Of(value)} is not in list");

        int Clamped(long bound) => (int)Math.Clamp(bound < 0 ? bound + items.Length : bound, 0, items.Length);
    }

    private static long Bound(PythonArguments arguments, object? value, long missing) => value == PythonArguments.Missing ? missing : arguments.Integer(value, "bound");

    private void Remove(object? value) => Splice(items =>
    {
        int place = IndexOf(items, value);
        return place >= 0 ? (place, 1) : throw PythonRaisedException.Builtin("ValueError", "list.remove(x): x not in list");
    });

    private void Sort(object?[] options)
    {
        if (options[0] is { } key && key != PythonArguments.Missing)
            throw PythonRaisedException.Builtin("TypeError", "sort() takes no key here, which would be code of the client's");
        bool isReversed = PythonArguments.Truth(options[1], missing: false);
        Change(items =>
        {
            // Stable in both directions, as Python's is.
            List<(byte[] Block, object? Value)> decoded = [.. items.Select(block => (block, Item(block)))];
            try
            {
                IOrderedEnumerable<(byte[] Block, object? Value)> sorted = isReversed
                    ? decoded.OrderByDescending(one => one.Value, PythonOrder.Instance)
                    : decoded.OrderBy(one => one.Value, PythonOrder.Instance);
                return [.. sorted.Select(one => one.Block)];
            }
            catch (InvalidOperationException failure) when (failure.InnerException is PythonRaisedException refusal)
            {
                throw refusal;
            }
        });
    }
}
