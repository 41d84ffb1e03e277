using System.Buffers.Binary;
using System.Numerics;

namespace ManyHands.Managers;

/// <summary>
/// Reads pickles of protocols 0 to 5 that hold plain values. It only builds data: opcodes and the names of classes are closed tables, no name is looked up, and what isn't in the tables is refused before anything is
/// made of it. Whatever the bytes, it ends in a value or in <see cref="InvalidPickleException"/>.
/// </summary>
/// <remarks>
/// Values that share parts share them here too. Lists and dictionaries that contain themselves are read as such; whoever goes through a value therefore needs a limit of depth, as everything in this room has.
/// </remarks>
internal ref partial struct PickleReader
{
    private const int LongestNumberText = 4300;

    private readonly ReadOnlySpan<byte> pickle;
    private readonly PickleLimits limits;
    private readonly PickleWork work;
    private int position;
    private int protocol;
    private object?[] stack;
    private int height;
    private int floor;
    private int[] marks;
    private int markCount;
    private object?[] memo;
    private int memoCount;
    private int itemsLeft;

    private PickleReader(ReadOnlySpan<byte> pickle, PickleLimits limits)
    {
        this.pickle = pickle;
        this.limits = limits;
        work = new PickleWork(pickle.Length);
        itemsLeft = limits.MaximumItems;
        stack = new object?[16];
        marks = [];
        memo = [];
    }

    /// <summary>Reads the one value of a pickle.</summary>
    /// <exception cref="InvalidPickleException">It is none, goes on behind its end, has something else than plain values, or asks for more than the limits grant.</exception>
    public static object? Read(ReadOnlySpan<byte> pickle, PickleLimits? limits = null) => new PickleReader(pickle, limits ?? PickleLimits.Default).Read();

    private object? Read()
    {
        if (pickle.Length >= 2 && pickle[0] == (byte)PickleOpcode.Proto)
        {
            protocol = pickle[1];
            position = 2;
            if (protocol > 5)
                throw Invalid($"protocol {protocol} is not known; the highest is 5");
        }

        if (protocol < limits.MinimumProtocol)
            throw Invalid($"protocol {protocol} is not taken here, but {limits.MinimumProtocol} or higher");
        while (true)
        {
            PickleOpcode opcode = (PickleOpcode)ReadByte();
            if (opcode == PickleOpcode.Stop)
                return End();
            Execute(opcode);
        }
    }

    private object? End()
    {
        if (position != pickle.Length)
            throw Invalid($"{pickle.Length - position:N0} bytes are left over behind its end");
        if (height != 1 || markCount != 0)
            throw Invalid($"{height:N0} values and {markCount:N0} marks are there at its end instead of one value");
        return Checked(stack[0]);
    }

    private void Execute(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.None: Push(null); break;
            case PickleOpcode.NewTrue: Push(PickleBoxes.True); break;
            case PickleOpcode.NewFalse: Push(PickleBoxes.False); break;
            case PickleOpcode.BinInt: Push(PickleBoxes.Of(BinaryPrimitives.ReadInt32LittleEndian(ReadBytes(4)))); break;
            case PickleOpcode.BinInt1: Push(PickleBoxes.Of(ReadByte())); break;
            case PickleOpcode.BinInt2: Push(PickleBoxes.Of(BinaryPrimitives.ReadUInt16LittleEndian(ReadBytes(2)))); break;
            case PickleOpcode.Long1: Push(ReadInteger(ReadByte())); break;
            case PickleOpcode.Long4: Push(ReadInteger(BinaryPrimitives.ReadInt32LittleEndian(ReadBytes(4)))); break;
            case PickleOpcode.BinFloat: Push(BinaryPrimitives.ReadDoubleBigEndian(ReadBytes(8))); break;

            case PickleOpcode.ShortBinUnicode: Push(PickleEncodings.ReadUtf8(ReadBytes(ReadByte()))); break;
            case PickleOpcode.BinUnicode: Push(PickleEncodings.ReadUtf8(ReadBytes(ReadLength4()))); break;
            case PickleOpcode.BinUnicode8: Push(PickleEncodings.ReadUtf8(ReadBytes(ReadLength8()))); break;
            case PickleOpcode.ShortBinBytes: Push(ReadBytes(ReadByte()).ToArray()); break;
            case PickleOpcode.BinBytes: Push(ReadBytes(ReadLength4()).ToArray()); break;
            case PickleOpcode.BinBytes8: Push(ReadBytes(ReadLength8()).ToArray()); break;
            case PickleOpcode.ByteArray8: Push(new PythonByteArray(ReadBytes(ReadLength8()).ToArray())); break;

            case PickleOpcode.Mark: PushMark(); break;
            case PickleOpcode.Pop: PopAny(); break;
            case PickleOpcode.PopMark: DropMark(); break;

            case PickleOpcode.EmptyTuple: Push(PythonTuple.Empty); break;
            case PickleOpcode.Tuple: PushTuple(TakeMarked()); break;
            case PickleOpcode.Tuple1: PushTuple(Take(1)); break;
            case PickleOpcode.Tuple2: PushTuple(Take(2)); break;
            case PickleOpcode.Tuple3: PushTuple(Take(3)); break;
            case PickleOpcode.EmptyList: Push(new PythonList()); break;
            case PickleOpcode.List: Push(AddTo(new PythonList(), TakeMarked())); break;
            case PickleOpcode.Append: AddTo(Under<PythonList>(1), Take(1)); break;
            case PickleOpcode.Appends: AddTo(UnderMark<PythonList>(), TakeMarked()); break;
            case PickleOpcode.EmptyDict: Push(new PythonDictionary()); break;
            case PickleOpcode.Dict: Push(AddTo(new PythonDictionary(), TakeMarked())); break;
            case PickleOpcode.SetItem: AddTo(Under<PythonDictionary>(2), Take(2)); break;
            case PickleOpcode.SetItems: AddTo(UnderMark<PythonDictionary>(), TakeMarked()); break;
            case PickleOpcode.EmptySet: Push(new PythonSet()); break;
            case PickleOpcode.AddItems: AddTo(UnfrozenSet(UnderMark<PythonSet>()), TakeMarked()); break;
            case PickleOpcode.FrozenSet: Push(AddTo(new PythonSet(isFrozen: true), TakeMarked())); break;

            case PickleOpcode.StackGlobal: ReadStackGlobal(); break;
            case PickleOpcode.Reduce: Reduce(); break;
            case PickleOpcode.NewObj: NewObject(); break;
            case PickleOpcode.Build: Build(); break;

            case PickleOpcode.Memoize: Memoize(memoCount); break;
            case PickleOpcode.BinPut: Memoize(ReadByte()); break;
            case PickleOpcode.LongBinPut: Memoize(BinaryPrimitives.ReadUInt32LittleEndian(ReadBytes(4))); break;
            case PickleOpcode.BinGet: Recall(ReadByte()); break;
            case PickleOpcode.LongBinGet: Recall(BinaryPrimitives.ReadUInt32LittleEndian(ReadBytes(4))); break;

            case PickleOpcode.Frame: ReadFrame(); break;
            case PickleOpcode.Proto: throw Invalid("a second header");
            default: ExecuteOld(opcode); break;
        }
    }

    private void ReadFrame()
    {
        // It is a hint for readers of files; we have all bytes at hand.
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(ReadBytes(8));
        if (length > (ulong)(pickle.Length - position))
            throw Invalid($"a frame of {length:N0} bytes where {pickle.Length - position:N0} are left");
    }

    private object ReadInteger(int length)
    {
        if (length < 0 || length > limits.MaximumIntegerBytes)
            throw Invalid($"an integer of {length:N0} bytes; at most {limits.MaximumIntegerBytes:N0} are taken");
        ReadOnlySpan<byte> bytes = ReadBytes(length);
        return length <= 8 && PickleEncodings.TryReadInt64(bytes, out long number) ? PickleBoxes.Of(number) : Reduced(new BigInteger(bytes));
    }

    private static object Reduced(BigInteger number) => number >= long.MinValue && number <= long.MaxValue ? PickleBoxes.Of((long)number) : number;

    // ---- the stack ----

    private void Push(object? value)
    {
        if (--itemsLeft < 0)
            throw Invalid($"more than {limits.MaximumItems:N0} values");
        if (height == stack.Length)
            Array.Resize(ref stack, height * 2);
        stack[height++] = value;
    }

    private void PushMark()
    {
        if (markCount > limits.MaximumDepth)
            throw Invalid($"more than {limits.MaximumDepth} values in each other");
        if (markCount == marks.Length)
            Array.Resize(ref marks, Math.Max(8, markCount * 2));
        marks[markCount++] = height;
        floor = height;
    }

    /// <summary>Takes the topmost values. The span is good until the next push.</summary>
    private ReadOnlySpan<object?> Take(int count)
    {
        if (height - floor < count)
            throw Invalid("a value is taken that isn't there");
        height -= count;
        return stack.AsSpan(height, count);
    }

    private ReadOnlySpan<object?> TakeMarked()
    {
        if (markCount == 0)
            throw Invalid("values since a mark are taken and there is no mark");
        int start = marks[--markCount];
        ReadOnlySpan<object?> items = stack.AsSpan(start, height - start);
        height = start;
        floor = markCount == 0 ? 0 : marks[markCount - 1];
        return items;
    }

    private void DropMark() => TakeMarked();

    private void PopAny()
    {
        // A mark is popped like a value.
        if (markCount > 0 && height == floor)
            TakeMarked();
        else
            Take(1);
    }

    /// <summary>The container below the topmost values.</summary>
    private readonly T Under<T>(int count)
        where T : class
    {
        if (height - floor <= count)
            throw Invalid("an item is added to nothing");
        return stack[height - count - 1] as T ?? throw NotA<T>(stack[height - count - 1]);
    }

    private readonly T UnderMark<T>()
        where T : class
    {
        int lower = markCount >= 2 ? marks[markCount - 2] : 0;
        if (markCount == 0 || marks[markCount - 1] <= lower)
            throw Invalid("items are added to nothing");
        object? container = stack[marks[markCount - 1] - 1];
        return container as T ?? throw NotA<T>(container);
    }

    private static InvalidPickleException NotA<T>(object? container) =>
        Invalid($"items of a {typeof(T).Name["Python".Length..].ToLowerInvariant()} are added to a {PythonText.TypeOf(container)}");

    private readonly object? Top()
    {
        if (height <= floor)
            throw Invalid("a value is asked for that isn't there");
        return stack[height - 1];
    }

    // ---- containers ----

    private void PushTuple(ReadOnlySpan<object?> items)
    {
        foreach (object? item in items)
        {
            if (item is NotAValue)
            {
                Push(new PickleArguments(items.ToArray()));
                return;
            }
        }

        Push(Shallow(new PythonTuple(Shallow(items).ToArray(), isOurs: true)));
    }

    private readonly PythonList AddTo(PythonList list, ReadOnlySpan<object?> items)
    {
        foreach (object? item in items)
            list.Append(Checked(item));
        return Shallow(list);
    }

    private readonly PythonDictionary AddTo(PythonDictionary dictionary, ReadOnlySpan<object?> items)
    {
        if ((items.Length & 1) != 0)
            throw Invalid("a key without a value");
        for (int index = 0; index < items.Length; index += 2)
            work.Add(dictionary, Checked(items[index]), Checked(items[index + 1]));
        return Shallow(dictionary);
    }

    private readonly PythonSet AddTo(PythonSet set, ReadOnlySpan<object?> items)
    {
        foreach (object? item in items)
            work.Add(set, Checked(item));
        return Shallow(set);
    }

    private static PythonSet UnfrozenSet(PythonSet set) => set.IsFrozen ? throw Invalid("items are added to a frozenset") : set;

    private readonly T Shallow<T>(T container)
        where T : class => PythonEquality.DepthOf(container) <= limits.MaximumDepth ? container : throw Invalid($"more than {limits.MaximumDepth} values in each other");

    private readonly ReadOnlySpan<object?> Shallow(ReadOnlySpan<object?> items)
    {
        // Before the tuple is made, which has a limit of its own.
        foreach (object? item in items)
        {
            if (PythonEquality.DepthOf(item) >= limits.MaximumDepth)
                throw Invalid($"more than {limits.MaximumDepth} values in each other");
        }

        return items;
    }

    private static object? Checked(object? value) => value is NotAValue other ? throw Invalid($"{other} where a value must be") : value;

    // ---- objects ----

    private void ReadStackGlobal()
    {
        ReadOnlySpan<object?> names = Take(2);
        if (names[0] is not string module || names[1] is not string name)
            throw Invalid("a class whose name is no text");
        Push(PickleGlobals.Find(module, name, limits));
    }

    private void Reduce()
    {
        ReadOnlySpan<object?> call = Take(2);
        if (call[0] is not PickleGlobal global)
            throw Invalid($"a {PythonText.TypeOf(call[0])} is called");
        ReadOnlySpan<object?> arguments = call[1] switch
        {
            PythonTuple tuple => tuple.Items,
            PickleArguments mixed => mixed.Items,
            _ => throw Invalid($"{global} is called with a {PythonText.TypeOf(call[1])} in place of its arguments"),
        };
        work.ChargeCopies(arguments);
        object? made = global.Call(arguments, work);
        if (PythonEquality.DepthOf(made) > limits.MaximumDepth)
            throw Invalid($"more than {limits.MaximumDepth} values in each other");
        Push(made);
    }

    private void NewObject()
    {
        ReadOnlySpan<object?> call = Take(2);
        if (call[0] is not PickleGlobal global || call[1] is not PythonTuple { Count: 0 })
            throw Invalid("an object is made of something else than a class and no arguments");
        Push(global.New());
    }

    private void Build()
    {
        ReadOnlySpan<object?> taken = Take(1);
        object? state = Checked(taken[0]);
        switch (Top())
        {
            case PickleUnfinished unfinished:
                object? made = unfinished.Finish(state);
                stack[height - 1] = made;
                break;

            // Notes and other attributes of an exception.
            case PythonError when state is null:
                break;
            case PythonError { State: null } error when state is PythonDictionary attributes && attributes.Keys.All(static name => name is string):
                if (attributes.Depth >= limits.MaximumDepth)
                    throw Invalid($"more than {limits.MaximumDepth} values in each other");
                error.State = attributes;
                break;

            // How far it has gone.
            case PythonIterator when state is 0L:
                break;
            default:
                throw Invalid($"a {PythonText.TypeOf(Top())} is given a state");
        }
    }

    // ---- the memo ----

    private void Memoize(long index)
    {
        object? value = Top();

        // Writers count from 0 or 1, and each place takes two bytes.
        if (index > pickle.Length)
            throw Invalid($"the memo's place {index:N0} is beyond any that it can have");
        if (index >= memo.Length)
            Array.Resize(ref memo, (int)Math.Max(index + 1, Math.Max(16, memo.Length * 2)));
        ref object? place = ref memo[(int)index];
        if (place is null)
            memoCount++;
        place = value ?? PickleBoxes.None;
    }

    private void Recall(long index)
    {
        object value = (index >= 0 && index < memo.Length ? memo[(int)index] : null) ?? throw Invalid($"the memo's place {index:N0} is empty");
        Push(value switch
        {
            PickleUnfinished unfinished => unfinished.Finished,
            _ when ReferenceEquals(value, PickleBoxes.None) => null,
            _ => value,
        });
    }

    // ---- bytes ----

    private byte ReadByte()
    {
        if (position >= pickle.Length)
            throw Invalid("it ends in the middle");
        return pickle[position++];
    }

    private ReadOnlySpan<byte> ReadBytes(int count)
    {
        if (count > pickle.Length - position)
            throw Invalid($"{count:N0} bytes are asked for where {pickle.Length - position:N0} are left");
        ReadOnlySpan<byte> bytes = pickle.Slice(position, count);
        position += count;
        return bytes;
    }

    private int ReadLength4() => Length(BinaryPrimitives.ReadUInt32LittleEndian(ReadBytes(4)));

    private int ReadLength8() => Length(BinaryPrimitives.ReadUInt64LittleEndian(ReadBytes(8)));

    private readonly int Length(ulong length) =>
        length <= (ulong)(pickle.Length - position) ? (int)length : throw Invalid($"{length:N0} bytes are asked for where {pickle.Length - position:N0} are left");

    internal static InvalidPickleException Invalid(string what) => new($"The pickle is refused: {what}.");
}
