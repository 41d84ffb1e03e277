using Xunit;
using Xunit.Sdk;
using Xunit.v3;

// Tests count this process's children, descriptors and threads, so no two may run at a time.
[assembly: Parallelization(Mode = ParallelMode.None)]
[assembly: AssemblyFixture(typeof(ManyHands.Tests.WarmProcess))]
