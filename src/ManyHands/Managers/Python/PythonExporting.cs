using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>Which objects Python clients can use, and which they can make.</summary>
internal static class PythonExporting
{
    /// <summary>The object as Python has it; null if it has none of the kind.</summary>
    public static PythonExport? Of(HostedObject hosted, string typeId, string ident, bool isCreated) => hosted switch
    {
        HostedQueue queue => new PythonExportedQueue(queue, typeId, ident) { IsCreated = isCreated },
        HostedDictionary dictionary when isCreated && typeId == "Namespace" => new PythonExportedNamespace(dictionary, typeId, ident) { IsCreated = true },
        HostedDictionary dictionary => new PythonExportedDictionary(dictionary, typeId, ident) { IsCreated = isCreated },
        HostedList list => new PythonExportedList(list, typeId, ident) { IsCreated = isCreated },
        HostedValue => new PythonExportedValue(hosted, typeId, ident) { IsCreated = isCreated },
        HostedService service => new PythonExportedService(service, typeId, ident),
        _ => OfKind(hosted, typeId, ident, isCreated),
    };

    /// <summary>Whether it is one of a <c>SyncManager</c>'s own types.</summary>
    public static bool Makes(string typeId) => typeId is "Queue" or "JoinableQueue" or "dict" or "list" or "Array" or "Value" or "Namespace"
        or "Lock" or "RLock" or "Semaphore" or "BoundedSemaphore" or "Event" or "Condition" or "Barrier";

    /// <summary>A new object for a client.</summary>
    /// <exception cref="PythonRaisedException">The arguments don't fit.</exception>
    public static PythonExport Make(string typeId, string ident, PythonArguments arguments, StoredBytes bytes)
    {
        HostedObject hosted = MakeHosted(typeId, ident, arguments, bytes);
        return typeId == "Barrier"
            ? new PythonExportedBarrier(hosted, typeId, ident) { IsCreated = true, DefaultTimeout = arguments.Bind(1, "parties", "action", "timeout")[2] }
            : Of(hosted, typeId, ident, isCreated: true)!;
    }

    /// <summary>Ends what a client made: those that wait are told, and what it holds is freed.</summary>
    public static void End(PythonExport export)
    {
        export.Hosted.Stop();
        (export.Hosted as HostedValue)?.Free();
        PythonSession session = new("the end of an object");
        Operation? clear = export.Hosted.Kind switch
        {
            ObjectKind.Queue => Operation.ClearQueue,
            ObjectKind.Dictionary => Operation.Clear,
            ObjectKind.List => Operation.Clear,
            _ => null,
        };
        if (clear is { } operation)
            _ = session.AskAsync(export.Hosted, operation);
        session.EndAll();
    }

    // What only passes on what it is asked.
    private static PythonExport? OfKind(HostedObject hosted, string typeId, string ident, bool isCreated) => hosted.Kind switch
    {
        ObjectKind.Lock => new PythonExportedLock(hosted, typeId, ident) { IsCreated = isCreated, IsOwned = hosted is HostedLock { IsReentrant: true } },
        ObjectKind.Condition => new PythonExportedCondition(hosted, typeId, ident) { IsCreated = isCreated, IsOwned = true },
        ObjectKind.Semaphore => new PythonExportedSemaphore(hosted, typeId, ident) { IsCreated = isCreated },
        ObjectKind.Event => new PythonExportedEvent(hosted, typeId, ident) { IsCreated = isCreated },
        ObjectKind.Barrier => new PythonExportedBarrier(hosted, typeId, ident) { IsCreated = isCreated },
        _ => null,
    };

    private static HostedObject MakeHosted(string typeId, string ident, PythonArguments arguments, StoredBytes bytes)
    {
        switch (typeId)
        {
            case "dict" or "Namespace":
                HostedDictionary dictionary = new(ident, ItemFormat<object>.TypeName, hasPlainKeys: true, bytes, default, null) { KeyItems = PythonItems<object>.Instance, Items = PythonItems<object>.Instance };
                Fill(new PythonExportedDictionary(dictionary, typeId, ident), arguments.As("update"));
                return dictionary;
            case "list":
                object? items = arguments.Bind(0, "iterable")[0];
                return MakeList(ident, items == PythonArguments.Missing ? PythonTuple.Empty : items, bytes);
            case "Array":
                return MakeList(ident, arguments.Bind(2, "typecode", "sequence", "lock")[1], bytes);
            case "Lock" or "RLock":
                arguments.None();
                return new HostedLock(ident, isReentrant: typeId == "RLock");
            case "Semaphore" or "BoundedSemaphore":
                object? permits = arguments.Bind(0, "value")[0];
                long initial = permits == PythonArguments.Missing ? 1 : arguments.Integer(permits, "value");
                return initial is >= 0 and <= int.MaxValue
                    ? new HostedSemaphore(ident, (int)initial, typeId == "Semaphore" ? int.MaxValue : (int)initial)
                    : throw PythonRaisedException.Builtin("ValueError", "semaphore initial value must be >= 0");
            case "Event":
                arguments.None();
                return new HostedEvent(ident, SharedEventMode.ManualReset, isSet: false);
            case "Condition":
                if (arguments.Bind(0, "lock")[0] is { } given && given != PythonArguments.Missing)
                    throw PythonRaisedException.Builtin("TypeError", "a condition has a lock of its own here: make it without one, and acquire the condition itself");
                return new HostedCondition(ident, new HostedLock(ident, isReentrant: true), ownsLock: true);
            case "Barrier":
                object?[] barrier = arguments.Bind(1, "parties", "action", "timeout");
                if (barrier[1] is { } action && action != PythonArguments.Missing)
                    throw PythonRaisedException.Builtin("TypeError", "a barrier has no action here, which would be code of the client's");
                long parties = arguments.Integer(barrier[0], "parties");
                return parties is >= 1 and <= int.MaxValue ? new HostedBarrier(ident, (int)parties) : throw PythonRaisedException.Builtin("ValueError", "parties must be > 0");
            case "Value":
                return new HostedValue(ident, ItemFormat<object>.TypeName, Plain(arguments.Bind(2, "typecode", "value", "lock")[1]), bytes) { Items = PythonItems<object>.Instance };
            default:
                object? size = arguments.Bind(0, "maxsize")[0];
                long capacity = size == PythonArguments.Missing ? 0 : Math.Max(0, arguments.Integer(size, "maxsize"));
                return new HostedQueue(ident, ItemFormat<object>.TypeName, capacity, bytes, default, null) { Items = PythonItems<object>.Instance };
        }
    }

    private static HostedList MakeList(string ident, object? items, StoredBytes bytes)
    {
        HostedList list = new(ident, ItemFormat<object>.TypeName, bytes) { Items = PythonItems<object>.Instance };
        Fill(new PythonExportedList(list, "list", ident), new("extend", new([items]), new()));
        return list;
    }

    // Nothing of it waits, so it is done when the call returns.
    private static void Fill(PythonExport export, PythonArguments arguments)
    {
        PythonSession session = new("the making of an object");
        export.CallAsync(session, arguments).GetAwaiter().GetResult();
        session.EndAll();
    }

    private static byte[] Plain(object? value)
    {
        using PayloadWriter writer = new();
        PythonItems<object>.Instance.Write(writer, value, "value");
        return writer.WrittenSpan.ToArray();
    }
}
