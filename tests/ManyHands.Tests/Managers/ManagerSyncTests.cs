using ManyHands.Tests.Contracts;

namespace ManyHands.Tests.Managers;

public sealed class ManagerLockTests() : LockContract(new ManagerSite(throughAClient: true));

public sealed class ManagersOwnLockTests() : LockContract(new ManagerSite(throughAClient: false));

public sealed class ManagerSemaphoreTests() : SemaphoreContract(new ManagerSite(throughAClient: true));

public sealed class ManagersOwnSemaphoreTests() : SemaphoreContract(new ManagerSite(throughAClient: false));

public sealed class ManagerEventTests() : EventContract(new ManagerSite(throughAClient: true));

public sealed class ManagersOwnEventTests() : EventContract(new ManagerSite(throughAClient: false));

public sealed class ManagerConditionTests() : ConditionContract(new ManagerSite(throughAClient: true));

public sealed class ManagersOwnConditionTests() : ConditionContract(new ManagerSite(throughAClient: false));

public sealed class ManagerBarrierTests() : BarrierContract(new ManagerSite(throughAClient: true));

public sealed class ManagersOwnBarrierTests() : BarrierContract(new ManagerSite(throughAClient: false));
