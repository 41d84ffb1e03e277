using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A dictionary, as <c>dict</c> has it.</summary>
internal sealed class PythonExportedDictionary(HostedDictionary dictionary, string typeId, string ident) : PythonExport(dictionary, typeId, ident)
{
    private static readonly string[] Methods =
    [
        "__contains__", "__delitem__", "__getitem__", "__iter__", "__len__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
    ];

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "__contains__":
                return (await FindAsync(session, arguments.Bind(1, "key")[0]).ConfigureAwait(false)).IsThere;
            case "__getitem__":
                object? read = arguments.Bind(1, "key")[0];
                return Present(await FindAsync(session, read).ConfigureAwait(false), read);
            case "get":
                object?[] get = arguments.Bind(1, "key", "default");
                return await FindAsync(session, get[0]).ConfigureAwait(false) is (true, var found) ? found : Default(get[1]);
            case "__setitem__":
                object?[] set = arguments.Bind(2, "key", "value");
                await session.AskAsync(Hosted, Operation.Put, body: Body(set[0], set[1])).ConfigureAwait(false);
                return null;
            case "__delitem__":
                object? deleted = arguments.Bind(1, "key")[0];
                return await RemoveAsync(session, deleted).ConfigureAwait(false) ? null : throw Missing(deleted);
            case "pop":
                object?[] pop = arguments.Bind(1, "key", "default");
                if (await RemoveAsync(session, pop[0], (_, value) => Hosted.Items!.Read(value)).ConfigureAwait(false))
                    return PythonSession.Written;
                return pop[1] == PythonArguments.Missing ? throw Missing(pop[0]) : pop[1];
            case "popitem":
                arguments.None();
                return await PopItemAsync(session).ConfigureAwait(false);
            case "setdefault":
                object?[] added = arguments.Bind(1, "key", "default");
                return await AddAsync(session, added[0], Default(added[1])).ConfigureAwait(false);
            case "update":
                await session.AskAsync(Hosted, Operation.PutAll, body: UpdateBody(arguments)).ConfigureAwait(false);
                return null;
            case "clear":
                arguments.None();
                await session.AskAsync(Hosted, Operation.Clear).ConfigureAwait(false);
                return null;
            case "__len__":
                arguments.None();
                return Hosted.Count;
            case "keys":
                arguments.None();
                return Keys();
            case "__iter__":
                arguments.None();
                return new PythonIterator(Keys());
            case "values":
                arguments.None();
                return List(dictionary.Snapshot().Select(entry => Hosted.Items!.Read(entry.Value)));
            case "items":
                arguments.None();
                return List(dictionary.Snapshot().Select(entry => new PythonTuple(dictionary.KeyItems.Read(entry.Key), Hosted.Items!.Read(entry.Value))));
            case "copy":
                arguments.None();
                return Copy();
            default:
                throw Hidden(arguments);
        }
    }

    public override Task<object?> ValueAsync(PythonSession session) => Task.FromResult<object?>(Copy());

    /// <summary>The value of a key.</summary>
    public async Task<(bool IsThere, object? Value)> FindAsync(PythonSession session, object? key) =>
        Found(await session.AskAsync(Hosted, Operation.Get, body: KeyBody(key)).ConfigureAwait(false));

    /// <summary>Removes a key.</summary>
    /// <param name="taken">Makes the client's result, if it gets what was there.</param>
    /// <returns>Whether it was there.</returns>
    public async Task<bool> RemoveAsync(PythonSession session, object? key, Func<byte[], byte[], object?>? taken = null) =>
        (await session.AskAsync(Hosted, Operation.Remove, body: KeyBody(key), taken: taken).ConfigureAwait(false)).Span[0] == 1;

    public Task SetAsync(PythonSession session, object? key, object? value) => session.AskAsync(Hosted, Operation.Put, body: Body(key, value));

    public PythonDictionary Copy()
    {
        PythonDictionary copy = new();
        foreach ((byte[] key, byte[] value) in dictionary.Snapshot())
        {
            try
            {
                copy.Add(dictionary.KeyItems.Read(key), Hosted.Items!.Read(value));
            }
            catch (ArgumentException refusal)
            {
                throw new PythonUnsendableException($"'{dictionary.Name}' can't be copied as a dict, but items() has all of it: {ExceptionText.MessageOf(refusal)}");
            }
        }

        return copy;
    }

    private static object? Default(object? value) => value == PythonArguments.Missing ? null : value;

    private static PythonList List(IEnumerable<object?> items)
    {
        PythonList list = [];
        foreach (object? item in items)
            list.Append(item);
        return list;
    }

    private static object? Present((bool IsThere, object? Value) found, object? key) =>
        found.IsThere ? found.Value : throw Missing(key);

    private static PythonRaisedException Missing(object? key) => new(PythonError.Builtin("KeyError", key));

    private PythonList Keys() => List(dictionary.Snapshot().Select(entry => dictionary.KeyItems.Read(entry.Key)));

    private ReadOnlyMemory<byte> KeyBody(object? key)
    {
        using PayloadWriter writer = new();
        WriteKey(writer, key);
        return writer.WrittenSpan.ToArray();
    }

    private ReadOnlyMemory<byte> Body(object? key, object? value)
    {
        using PayloadWriter writer = new();
        WriteKey(writer, key);
        Hosted.Items!.WriteBlock(writer, value, "value");
        return writer.WrittenSpan.ToArray();
    }

    private void WriteKey(PayloadWriter writer, object? key)
    {
        if (PythonEquality.RefusalAsKey(key) is { } refusal)
            throw PythonRaisedException.Builtin("TypeError", refusal);
        if (PythonEquality.HoldsNaN(key))
            throw PythonRaisedException.Builtin("ValueError", "nan can't be a key of a shared dictionary: each nan is a key of its own in Python, and nobody else could look it up");
        dictionary.KeyItems.WriteBlock(writer, key, "key");
    }

    // A mapping, or pairs, and names.
    private ReadOnlyMemory<byte> UpdateBody(PythonArguments arguments)
    {
        (object? source, PythonDictionary named) = arguments.OneAndNames();
        using PayloadWriter writer = new();
        writer.WriteUnmanaged(0);
        int count = 0;
        switch (source)
        {
            case PythonDictionary mapping:
                foreach ((object? key, object? value) in mapping)
                    Write(key, value);
                break;
            case PythonProxyReference:
                throw PythonRaisedException.Builtin("TypeError", "update() takes no proxy; send a copy of it: update(other.copy())");
            case { } when source == PythonArguments.Missing:
                break;
            default:
                foreach (object? pair in PythonArguments.Items(source))
                {
                    if (pair is not (PythonTuple or List<object?>) || pair is not IReadOnlyList<object?> { Count: 2 } two)
                        throw PythonRaisedException.Builtin("ValueError", $"update() takes a dict or pairs, not {PythonText.Of(pair)}");
                    Write(two[0], two[1]);
                }

                break;
        }

        foreach ((object? key, object? value) in named)
            Write(key, value);
        writer.PatchInt32(0, count);
        return writer.WrittenSpan.ToArray();

        void Write(object? key, object? value)
        {
            WriteKey(writer, key);
            Hosted.Items!.WriteBlock(writer, value, "value");
            count++;
        }
    }

    private async Task<object?> PopItemAsync(PythonSession session)
    {
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.RemoveLast, taken: (key, value) => new PythonTuple(dictionary.KeyItems.Read(key), Hosted.Items!.Read(value))).ConfigureAwait(false);
        return answer.Span[0] == 1 ? PythonSession.Written : throw PythonRaisedException.Builtin("KeyError", "popitem(): dictionary is empty");
    }

    private async Task<object?> AddAsync(PythonSession session, object? key, object? value)
    {
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Add, body: Body(key, value)).ConfigureAwait(false);
        return answer.Span[0] == 1 ? value : Item(answer[1..]);
    }

    private (bool IsThere, object? Value) Found(ReadOnlyMemory<byte> answer) => answer.Span[0] == 1 ? (true, Item(answer[1..])) : (false, null);

    private object? Item(ReadOnlyMemory<byte> block)
    {
        PayloadReader reader = new(block);
        return Hosted.Items!.ReadBlock(ref reader);
    }
}
