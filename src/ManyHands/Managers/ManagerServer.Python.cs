using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace ManyHands;

public sealed partial class ManagerServer
{
    private readonly List<PythonListener> pythonListeners = [];

    /// <summary>
    /// Serves Python programs too: stock <c>multiprocessing.managers</c> clients from Python 3.12 on, and from 3.8 with <see cref="PythonListenerOptions.AllowLegacyMd5"/>, on an endpoint and with a key of their own. They find
    /// the registered objects by their names, and need nothing of ours. Can be called before and after <see cref="Start"/>; it listens at once, and until the manager stops.
    /// </summary>
    /// <remarks>
    /// <para>A queue's items are converted between the registered type and Python's plain values; what can't be is refused with a Python <c>TypeError</c>. A queue of <see cref="object"/> takes plain values of any kind.</para>
    /// <para>An item that <c>get()</c> has returned is its client's when the connection of that client's thread sends its next request (<c>task_done()</c>, <c>put()</c> of a result, the next <c>get()</c>, whatever it
    /// is). If the connection ends before that, as when the process is killed, the item returns to the front of its queue, marked as redelivered. A process that ends normally, or gives up its proxy, and so says that
    /// it is done (Python's <c>decref</c>, within the second before the connection closes), keeps the item. When the manager itself stops, items whose connection has said nothing since return too.</para>
    /// <para>Hence an item is given twice if its client has worked on it and was then killed before its next request, or if a thread other than the main one got it and ended without another request. It is lost if its
    /// client is killed after its next request, as with <c>q.get(); q.qsize()</c>; or if it is killed within the second after another process of the same
    /// address gave up its proxy of the same queue.</para>
    /// <para><c>join()</c> waits as in Python until <c>task_done()</c> was called for every item that Python clients have got; items that .NET clients take count as done when they are theirs. Those of a connection
    /// that ended without a word don't keep anybody waiting.</para>
    /// <para>Locks and the like that a connection holds when it ends are freed. While a call waits, its connection is watched: when the client is gone, the call takes nothing any more.</para>
    /// </remarks>
    /// <exception cref="ArgumentException">An option is out of range, or would expose the manager; the message says what to do.</exception>
    /// <exception cref="InvalidOperationException">The manager has stopped.</exception>
    /// <exception cref="IOException">The address is in use or isn't this machine's; or the socket's folder could be changed by others.</exception>
    /// <example><code>
    /// await using ManagerServer server = new();
    /// ISharedQueue&lt;string&gt; tasks = server.RegisterQueue&lt;string&gt;("get_task_queue");
    /// server.ListenPython(new() { EndPoint = new IPEndPoint(IPAddress.Loopback, 8001), Key = ManagerKey.FromText("qiye") });
    /// </code>
    /// and in Python
    /// <code>
    /// class QueueManager(BaseManager): pass
    /// QueueManager.register('get_task_queue')
    /// m = QueueManager(address=('127.0.0.1', 8001), authkey=b'qiye')
    /// m.connect()
    /// print(m.get_task_queue().get())
    /// </code></example>
    public PythonListener ListenPython(PythonListenerOptions? options = null)
    {
        options ??= new();
        options.Validate();
        if (options.Key is { } key && CryptographicOperations.FixedTimeEquals(key.Span, Key.Span))
            throw new ArgumentException("Python clients must have another key than the manager's own: their protocol protects it less. Make one with ManagerKey.Generate().", nameof(options));
        lock (gate)
        {
            if (isStopping)
                throw new InvalidOperationException("The manager has stopped. Make another.");
            PythonListener made = new(this, options);
            pythonListeners.Add(made);
            if (made.Key.Length < ManagerKey.ShortestLength)
                Log(LogLevel.Warning, $"The key for Python clients on {made.EndPoint} has {made.Key.Length} bytes and is easily guessed: everybody on this machine can try. ManagerKey.Generate() makes a good one.");
            Log(LogLevel.Information, $"The manager listens for Python clients on {made.EndPoint}.");
            return made;
        }
    }

    private PythonListener[] PythonListeners()
    {
        lock (gate)
            return [.. pythonListeners];
    }

    internal void Forget(PythonListener listener)
    {
        lock (gate)
            pythonListeners.Remove(listener);
    }
}
